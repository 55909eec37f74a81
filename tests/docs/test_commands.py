"""Every `colorlane ...` in the documentation is a line that the program takes, and every command is documented."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from delivery.cli.app import app
from tests.docs.pages import Block, blocks, pages

SHELL = ("sh", "bash", "shell", "console")
PROGRAM = re.compile(r"(?:^|[;&|(]\s*|\$\s+)(?:\.venv/bin/)?colorlane\s+(?P<rest>[^#;&|)\n]*)", re.MULTILINE)
ROOT_COMMAND: Any = typer.main.get_command(app)
# Some releases of Typer stand on click, some carry their own copy of it: the class is found, not imported.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def lines_of(block: Block) -> Iterator[str]:
    """Yield the arguments of each `colorlane` in a shell block, continuation lines joined."""
    for match in PROGRAM.finditer(block.text.replace("\\\n", " ")):
        yield match["rest"].strip()


EXAMPLES = [(block, line) for block in blocks(*SHELL) for line in lines_of(block)]


def parse(line: str) -> None:
    """Parse as the program would, without running anything; raises UsageError."""
    words = shlex.split(re.sub(r"<[\w -]+>", "PLACEHOLDER", line))
    command, context = ROOT_COMMAND, None
    while True:
        try:
            context = command.make_context(command.name or "colorlane", list(words), parent=context)
        except typer.Exit:  # --help and --version end here
            return
        if not is_group(command):
            return
        words = [*context._protected_args, *context.args]
        _, command, words = command.resolve_command(context, words)


def is_group(command: Any) -> bool:
    return hasattr(command, "commands")


@pytest.mark.parametrize(
    ("block", "line"), EXAMPLES, ids=[f"{block.page}:{block.line} {line}" for block, line in EXAMPLES]
)
def test_examples_parse(block: Block, line: str) -> None:
    try:
        parse(line)
    except UsageError as error:
        pytest.fail(f"{block.page}:{block.line}: colorlane {line}\n{error}")


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize("line", ["rollout levitate", "up --no-such-option", "rollout approve"])
def test_a_wrong_example_is_noticed(line: str) -> None:
    with pytest.raises(UsageError):
        parse(line)


def commands(group: Any, path: str = "colorlane", *, hidden: bool = False) -> Iterator[tuple[str, Any]]:
    """Yield every command with its full name; those that people are not shown only when asked for."""
    for name, command in group.commands.items():
        if is_group(command):
            yield from commands(command, f"{path} {name}", hidden=hidden)
        elif hidden or not command.hidden:
            yield f"{path} {name}", command


def test_every_command_is_documented() -> None:
    text = "\n".join(page.text for page in pages() if page.path.startswith("docs/"))
    missing = [name for name, _ in commands(ROOT_COMMAND) if name not in text]
    assert not missing, f"no page under docs/ says anything about {missing}"


def test_commands_named_in_prose_exist() -> None:
    known = {name for name, _ in commands(ROOT_COMMAND, hidden=True)}
    groups = {name.rsplit(" ", 1)[0] for name in known if name.count(" ") > 1}
    wrong = []
    for page in pages():
        for code in page.inline_code():
            words = re.match(r"colorlane( [a-z][a-z-]*)+", code)
            if words and not any(words[0] == name or words[0].startswith(f"{name} ") for name in known | groups):
                wrong.append(f"{page.path}: {code}")
    assert not wrong, wrong


def test_examples_in_the_help_parse() -> None:
    found = [
        re.findall(r"Example: colorlane +([^#;&|\n]*)", command.help or "") for _, command in commands(ROOT_COMMAND)
    ]
    without = [name for (name, _), examples in zip(commands(ROOT_COMMAND), found, strict=True) if not examples]
    assert not without, f"no example in the help of {without}"
    for example in (line for examples in found for line in examples):
        parse(example.strip())
