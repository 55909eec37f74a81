"""Calls that are banned somewhere, each with its reason: a ban without one is a habit, a reason can be argued with."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeGuard

import pytest

from tests.architecture.sources import Module, modules, text_files


def pure(module: Module) -> bool:
    return module.is_pure


def translation(module: Module) -> bool:
    return module.path.startswith("mesh/translation/")


def quiet(module: Module) -> bool:
    """Everything but the command line and the demo, which talk to people."""
    return not module.path.startswith(("delivery/cli", "delivery/demo"))


def unsettled(module: Module) -> bool:
    """Everything that is given its settings rather than reading them."""
    return not module.path.startswith(
        ("delivery/settings", "mesh/settings", "pipelines/settings", "delivery/bootstrap", "mesh/bootstrap")
    )


@dataclass(frozen=True)
class Ban:
    """`calls`: a pattern the whole dotted name must match; `where` picks the modules; `why` is for who runs into it."""

    name: str
    calls: str
    where: Callable[[Module], bool]
    why: str


STANDARD = ("PATH", "HOME", "XDG_CACHE_HOME")  # the system's words, not knobs of ours

BANS = (
    Ban(
        "clock",
        r"time\.\w+|(\w+\.)*(datetime|date)\.(now|utcnow|today)",
        pure,
        "the core never asks a clock: time is an argument, so that a test can replay any moment",
    ),
    Ban(
        "chance",
        r"random\.\w+|secrets\.\w+|uuid\.uuid[14]|os\.urandom",
        pure,
        "a decision made twice from the same facts must be the same: ids and chance come as arguments",
    ),
    Ban(
        "disk",
        r"open|(\w+\.)*(read_text|write_text|read_bytes|write_bytes|mkdir|unlink)|os\.(remove|listdir|stat)",
        pure,
        "the core does no I/O: an adapter reads, the core is given what was read",
    ),
    Ban(
        "dicts to protobuf",
        r"(\w+\.)*(ParseDict|MessageToDict|Parse|MessageToJson)",
        translation,
        "xDS resources are built with upb classes: going through dicts costs about ten times as much, at each push",
    ),
    Ban(
        "print",
        r"print",
        quiet,
        "services log one structured line per step; print is for the command line and the demo",
    ),
    Ban(
        "environment",
        rf"os\.environ\[(?!'({'|'.join(STANDARD)})'\]).*\]",
        unsettled,
        "only settings and composition roots read a variable: every knob is then documented and checked in one place"
        " (passing the whole environment on to a child process is fine)",
    ),
    Ban(
        "sleeping on the event loop",
        r"time\.sleep",
        lambda module: module.path.startswith(("delivery/api", "delivery/ui", "mesh/serving")),
        "a sleep there stops every other request; await a condition or asyncio.sleep",
    ),
)


def dotted_uses(module: Module) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of each call; reading or writing one variable is `os.environ['NAME']`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            variable = re.fullmatch(r"os\.(getenv|environ\.(get|pop|setdefault))", name) and node.args
            yield node.lineno, f"os.environ[{ast.unparse(node.args[0])}]" if variable else name
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            yield node.lineno, ast.unparse(node)


def broken(ban: Ban, module: Module) -> list[str]:
    uses = sorted(set(dotted_uses(module)))
    return [f"{module.path}:{line} {name}" for line, name in uses if re.fullmatch(ban.calls, name)]


@pytest.mark.parametrize("ban", BANS, ids=lambda ban: ban.name)
def test_banned_calls(ban: Ban) -> None:
    found = [line for module in modules() if ban.where(module) for line in broken(ban, module)]
    assert not found, "\n".join([ban.why, *found])


def test_a_ban_can_be_run_into() -> None:
    text = "now = datetime.datetime.now(); a = os.environ['A']; b = os.getenv('B'); c = os.environ.get('PATH')"
    module = Module("delivery/rollouts/x.py", text, ast.parse(text))
    caught = {ban.name: broken(ban, module) for ban in BANS if ban.where(module) and broken(ban, module)}
    assert {name: len(lines) for name, lines in caught.items()} == {"clock": 1, "environment": 2}


def test_tests_wait_for_conditions_not_for_time() -> None:
    """A polling loop may rest (at most 0.2 s, a literal); nothing else sleeps without a reason on its line."""
    found = [
        f"{module.path}:{line}"
        for module in modules("tests")
        for line in sleeps_outside_polls(module.tree)
        if "# " not in module.text.splitlines()[line - 1]
    ]
    assert not found, f"wait for a condition with a deadline instead, or say why time itself is the point: {found}"


def sleeps_outside_polls(tree: ast.Module) -> list[int]:
    """Return the lines of sleeps that are not the short rest of a loop."""
    resting: set[ast.AST] = set()
    for loop in ast.walk(tree):
        if isinstance(loop, ast.While | ast.For | ast.AsyncFor):
            resting |= {node for node in ast.walk(loop) if is_sleep(node) and is_short(node)}
    return [node.lineno for node in ast.walk(tree) if is_sleep(node) and node not in resting and not is_yield(node)]


def is_sleep(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "asyncio.sleep", "sleep"}


def is_short(node: ast.Call) -> bool:
    values = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
    return all(isinstance(value, int | float) and value <= 0.2 for value in values)


def is_yield(node: ast.AST) -> bool:
    """`asyncio.sleep(0)` gives the turn to others; it does not wait."""
    return isinstance(node, ast.Call) and [ast.unparse(arg) for arg in node.args] == ["0"]


# Put together here so that this file does not contain what it looks for.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3]) + r")\b")
PLACES = re.compile(
    r"(?<![\w.~/$}-])/(" + "|".join(["wo" + "rk", "fa" + "rm", "ho" + r"me/\w+", "ro" + "ot"]) + r")/\w"
)
REGISTRIES = re.compile(
    "|".join(
        re.escape(".".join(host))
        for host in [
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("registry", "npmjs", "org"),
            ("crates", "io"),
            ("proxy", "golang", "org"),
            ("docker", "io"),
            ("ghcr", "io"),
            ("quay", "io"),
            ("gcr", "io"),
            ("registry", "k8s", "io"),
            ("deb", "debian", "org"),
        ]
    )
)


# The grammar of image names has a default registry: that file, and only it, must spell it to write names out.
SPELT = {"pipelines/images/references.py"}


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (UNFINISHED, "open ends belong into an issue, not into a file"),
        (PLACES, "a path of one machine means nothing on another"),
        (REGISTRIES, "where packages and images come from is the installer's configuration, not ours"),
    ],
    ids=["unfinished", "machine paths", "registry hosts"],
)
def test_tracked_files_hold_nothing_of_one_machine(pattern: re.Pattern[str], why: str) -> None:
    found = [
        f"{name}:{number} {line.strip()[:100]}"
        for name, text in text_files()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line) and name not in SPELT
    ]
    assert not found, "\n".join([why, *found])
