"""Every room has a name that says what is in it, a docstring at its door, and, in the pure core, a test beside it."""

from __future__ import annotations

import ast
from pathlib import PurePosixPath

import pytest

from tests.architecture.sources import PACKAGES, ROOT, Module, modules, tracked_files

NAMELESS = {"utils", "util", "common", "helpers", "helper", "manager", "managers", "misc"}
MIRRORED_FROM_LINES = 30

# Parts of a package that have no behaviour of their own but through one door, and where that door is tested.
TESTED_THROUGH = {
    "delivery/rollouts/model.py": "tests/unit/delivery/rollouts/test_codec.py",
    **dict.fromkeys(
        [f"pipelines/specs/{part}.py" for part in ("document", "format", "model", "references", "values")],
        "tests/unit/pipelines/specs/test_parse.py",
    ),
    "pipelines/errors.py": "tests/unit/pipelines/specs/test_parse.py",
    **dict.fromkeys(
        [
            f"mesh/translation/{part}.py"
            for part in (
                "access",
                "clusters",
                "endpoints",
                "listeners",
                "naming",
                "resources",
                "retries",
                "routes",
                "runtime",
            )
        ],
        "tests/unit/mesh/translation/test_views.py",
    ),
}


def test_no_room_without_a_name() -> None:
    python = [PurePosixPath(module.path) for module in modules(*PACKAGES, "tests", "benchmarks")]
    found = [str(path) for path in python if NAMELESS & {part.removesuffix(".py") for part in path.parts}]
    assert not found, f"name them after what they hold: {found}"


@pytest.mark.parametrize("package", [*PACKAGES, "tests", "benchmarks"])
def test_every_module_says_what_it_is_for(package: str) -> None:
    found = [module.path for module in modules(package) if module.text.strip() and not ast.get_docstring(module.tree)]
    assert not found, f"no docstring opens {found}"


def test_every_folder_of_sources_is_a_documented_package() -> None:
    folders = {str(PurePosixPath(module.path).parent) for module in modules()}
    found = [folder for folder in sorted(folders) if not (ROOT / folder / "__init__.py").is_file()]
    assert not found, f"no __init__.py with a docstring in {found}"


def undocumented(module: Module) -> list[str]:
    """Return the public classes and functions of a module (not the methods) that have no docstring."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    public = (node for node in module.tree.body if isinstance(node, definitions) and not node.name.startswith("_"))
    return [f"{module.path}:{node.lineno} {node.name}" for node in public if not ast.get_docstring(node)]


def test_public_names_are_documented() -> None:
    found = [line for module in modules() for line in undocumented(module)]
    assert not found, "\n".join(found)


def test_the_pure_core_is_mirrored_by_unit_tests() -> None:
    """Ports are exempt: the suites in tests/contracts are theirs."""
    tracked = set(tracked_files())
    missing = []
    for module in modules():
        path = PurePosixPath(module.path)
        exempt = path.name == "__init__.py" or module.path.startswith("delivery/ports/") or not has_behaviour(module)
        if module.is_pure and module.lines > MIRRORED_FROM_LINES and not exempt:
            mirror = str(PurePosixPath("tests/unit") / path.parent / f"test_{path.name}")
            if TESTED_THROUGH.get(module.path, mirror) not in tracked:
                missing.append(f"{module.path} has no {mirror}")
    assert not missing, "\n".join(missing)


def has_behaviour(module: Module) -> bool:
    """Whether there is anything to test: a Protocol, an exception tree or a plain dataclass has none."""
    protocols = {node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef) and is_protocol(node)}
    inside = {method for protocol in protocols for method in ast.walk(protocol)}
    return any(function not in inside and function.name != "__init__" for function in module.functions())


def is_protocol(node: ast.ClassDef) -> bool:
    return any("Protocol" in ast.unparse(base) for base in node.bases)
