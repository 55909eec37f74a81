"""Hard stops on size. The habit is smaller: files about 100 lines, functions about 10, five parameters."""

from __future__ import annotations

import ast

from tests.architecture.sources import Module, modules

FILE_LINES = 400
FUNCTION_LINES = 60
TEST_FILE_LINES = 600  # a test file is read one test at a time

# path, or path::function -> why it may be longer. Empty is the right length of this list.
ALLOWED: dict[str, str] = {}


def length(node: ast.stmt) -> int:
    """Return the lines of a definition; classes inside a function are measured by their own methods instead."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def too_long(module: Module, limit: int) -> list[str]:
    """Name the module, and each of its functions, that is over the limit and not argued for in ALLOWED."""
    found = []
    if module.lines > limit and module.path not in ALLOWED:
        found.append(f"{module.path}: {module.lines} lines, the hard stop is {limit}")
    for function in module.functions():
        size = length(function) - sum(length(node) for node in function.body if isinstance(node, ast.ClassDef))
        if size > FUNCTION_LINES and f"{module.path}::{function.name}" not in ALLOWED:
            found.append(
                f"{module.path}:{function.lineno} {function.name}: {size} lines, the hard stop is {FUNCTION_LINES}"
            )
    return found


def test_no_file_and_no_function_is_over_the_hard_stop() -> None:
    found = [line for module in modules() for line in too_long(module, FILE_LINES)]
    assert not found, "\n".join(found)


def test_tests_and_benchmarks_stay_readable_too() -> None:
    found = [line for module in modules("tests", "benchmarks") for line in too_long(module, TEST_FILE_LINES)]
    assert not found, "\n".join(found)


def test_exceptions_are_argued_and_still_needed() -> None:
    known = {module.path for module in modules()} | {
        f"{module.path}::{function.name}" for module in modules() for function in module.functions()
    }
    stale = [name for name, why in ALLOWED.items() if name not in known or len(why.split()) < 5]
    assert not stale, f"not there any more, or without a reason: {stale}"
