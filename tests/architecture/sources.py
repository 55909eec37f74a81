"""What the architecture tests look at: the tracked files, and the Python modules among them with their syntax trees."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("delivery", "mesh", "pipelines")

# Decisions and translations: no clock, no I/O, no logging, no randomness. Time and the world come as arguments.
PURE = (
    "delivery/errors.py",
    "delivery/codec.py",
    "delivery/colors.py",
    "delivery/deliveries.py",
    "delivery/environments.py",
    "delivery/intents.py",
    "delivery/manifests.py",
    "delivery/projects.py",
    "delivery/releases.py",
    "delivery/workloads.py",
    "delivery/gates",
    "delivery/rollouts",
    "delivery/ports",
    "mesh/errors.py",
    "mesh/model",
    "mesh/translation",
    "pipelines/errors.py",
    "pipelines/specs",
    "pipelines/specs.py",
    "pipelines/plans",
    "pipelines/plans.py",
    "pipelines/runs.py",
    "pipelines/ports",
    "pipelines/ports.py",
)


@dataclass(frozen=True)
class Module:
    """One Python source file; `path` is relative to the repository, with forward slashes."""

    path: str
    text: str
    tree: ast.Module

    @property
    def is_pure(self) -> bool:
        """Whether the file belongs to the pure core."""
        return any(self.path == place or self.path.startswith(f"{place}/") for place in PURE)

    @property
    def lines(self) -> int:
        """Physical lines."""
        return self.text.count("\n")

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method, nested ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


@cache
def tracked_files() -> tuple[str, ...]:
    """Files Git tracks and the work tree has, sorted; in an exported tree without Git, all outside hidden folders."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        names = {name for name in listed.stdout.split("\0") if name}
    else:
        found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
        names = {path.as_posix() for path in found if not path.parts[0].startswith(".")}
    return tuple(sorted(name for name in names if (ROOT / name).is_file()))


@cache
def modules(*tops: str) -> tuple[Module, ...]:
    """Return the tracked Python files below `tops` (all packages when none are given)."""
    wanted = tops or PACKAGES
    names = [name for name in tracked_files() if name.endswith(".py") and PurePosixPath(name).parts[0] in wanted]
    return tuple(_read(name) for name in names)


def _read(name: str) -> Module:
    text = (ROOT / name).read_text(encoding="utf-8")
    return Module(name, text, ast.parse(text, filename=name))


def text_files() -> Iterator[tuple[str, str]]:
    """Yield (name, text) of every tracked file that is UTF-8 text."""
    for name in tracked_files():
        try:
            yield name, (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
