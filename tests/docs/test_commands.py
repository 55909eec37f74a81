"""Every `colorlane ...` in the documentation is a line that the program takes, and every command is documented."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest
import typer.main

from delivery.cli import app
from tests.docs.pages import Block, blocks, pages

SHELL = ("sh", "bash", "shell", "console")
PROGRAM = re.compile(r"(?:^|[;&|(]\s*|\$\s+)(?:\.venv/bin/)?colorlane\s+(?P<rest>[^#;&|)\n]*)", re.MULTILINE)
ROOT_COMMAND = typer.main.get_command(app)


def lines_of(block: Block) -> Iterator[str]:
    """Yield the arguments of each `colorlane` in a shell block, continuation lines joined."""
    for match in PROGRAM.finditer(block.text.replace("\\\n", " ")):
        yield match["rest"].strip()


EXAMPLES = [(block, line) for block in blocks(*SHELL) for line in lines_of(block)]


def parse(line: str) -> None:
    """Parse as the program would, without running anything; raises click.UsageError."""
    words = shlex.split(re.sub(r"<[\w -]+>", "PLACEHOLDER", line))
    command, context = ROOT_COMMAND, None
    while True:
        try:
            context = command.make_context(command.name or "colorlane", list(words), parent=context)
        except click.exceptions.Exit:  # --help and --version end here
            return
        if not isinstance(command, click.Group):
            return
        words = [*context._protected_args, *context.args]
        if not words:
            raise click.UsageError(f"{line!r} names no command")
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found


@pytest.mark.parametrize(
    ("block", "line"), EXAMPLES, ids=[f"{block.page}:{block.line} {line}" for block, line in EXAMPLES]
)
def test_examples_parse(block: Block, line: str) -> None:
    try:
        parse(line)
    except click.UsageError as error:
        pytest.fail(f"{block.page}:{block.line}: colorlane {line}\n{error.format_message()}")


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 10


def test_a_wrong_example_is_noticed() -> None:
    with pytest.raises(click.UsageError):
        parse("rollout levitate")
    with pytest.raises(click.UsageError):
        parse("up --no-such-option")


def commands(group: click.Command, path: str = "colorlane") -> Iterator[str]:
    """Yield every command's full name."""
    if not isinstance(group, click.Group):
        yield path
        return
    for name, command in group.commands.items():
        if not command.hidden:
            yield from commands(command, f"{path} {name}")


def test_every_command_is_documented() -> None:
    text = "\n".join(page.text for page in pages() if page.path.startswith("docs/"))
    missing = [name for name in commands(ROOT_COMMAND) if name not in text]
    assert not missing, f"no page under docs/ says anything about {missing}"


def test_commands_named_in_prose_exist() -> None:
    known = set(commands(ROOT_COMMAND))
    groups = {name.rsplit(" ", 1)[0] for name in known if name.count(" ") > 1}
    wrong = []
    for page in pages():
        for code in page.inline_code():
            words = re.match(r"colorlane( [a-z][a-z-]*)+", code)
            if words and not any(words[0] == name or words[0].startswith(f"{name} ") for name in known | groups):
                wrong.append(f"{page.path}: {code}")
    assert not wrong, wrong


def examples_in_help(group: click.Command) -> Iterator[str]:
    """Yield the command lines after "Example:" in the help of every command."""
    if isinstance(group, click.Group):
        for command in group.commands.values():
            yield from examples_in_help(command)
    else:
        for match in re.finditer(r"Examples?:\s*colorlane +([^#;&|\n]*)", group.help or ""):
            yield match[1].strip()


def test_examples_in_the_help_parse() -> None:
    examples = list(examples_in_help(ROOT_COMMAND))
    assert len(examples) >= 10
    for example in examples:
        parse(example)
