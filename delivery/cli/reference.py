"""Reference: the manual of the command line, made from the commands themselves. `colorlane reference > docs/cli.md`.

Neighbours: app (whose commands it reads), docs/cli.md (a test holds it to this).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

HEAD = """\
# Command line

Made by `colorlane reference`; a test holds this page to the program.

All commands but `up`, `demo`, `doctor`, `lint`, `simulate`, `mesh inject` and `version` talk to the HTTP API.

| variable | meaning |
|---|---|
| `COLORLANE_API_URL` | where the API is; default `http://127.0.0.1:8000` (or `--api URL` before the command) |
| `COLORLANE_API_TOKEN` | the token, when the API was started with one |
| `COLORLANE_SHELL_TOKEN` | the token that opens shells (`colorlane service shell`), when the API allows them |
| `COLORLANE_PROJECT` | default of `--project` |
| `COLORLANE_STATE_DIR` | default of `--state-dir` |

Reading commands take `--json` and then print one JSON document on standard output. Errors go to standard error, as
one sentence and what to do.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | done, and the answer is bad: a failed run, a rollout that was not promoted, findings of `lint` or `doctor` |
| 2 | wrong usage |
| 3 | the API cannot be reached |
| 4 | the API refused |
| 5 | the API failed |
| 130 | interrupted |
"""


def reference(root: Any) -> str:
    """Return the manual of a command group (click's objects, whoever carries them)."""
    return "\n".join([HEAD, *_group(root, "colorlane")])


def _group(group: Any, name: str) -> Iterator[str]:
    for word, command in group.commands.items():
        if command.hidden:
            continue
        full = f"{name} {word}"
        if hasattr(command, "commands"):
            yield f"## {full}\n\n{command.help}\n"
            yield from _group(command, full)
        else:
            yield _command(command, full, "###" if name.count(" ") else "##")


def _command(command: Any, name: str, level: str) -> str:
    text, _, example = (command.help or "").partition("Example:")
    shown = [each for each in command.params if not getattr(each, "hidden", False) and each.name != "help"]
    arguments = [
        each.name.upper() if each.required else f"[{each.name.upper()}]" for each in shown if _is_argument(each)
    ]
    paragraphs = "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))
    parts = [f"{level} {name}\n", f"{paragraphs}\n", f"`{' '.join([name, *arguments])}`\n"]
    rows = [f"| {_names(each)} | {_help(each)} |" for each in shown]
    if rows:
        parts += ["| | |\n|---|---|\n" + "\n".join(rows) + "\n"]
    if example.strip():
        parts += [f"```sh\n{example.strip()}\n```\n"]
    return "\n".join(parts)


def _is_argument(parameter: Any) -> bool:
    return str(parameter.param_type_name) == "argument"


def _names(parameter: Any) -> str:
    if _is_argument(parameter):
        return f"`{parameter.name.upper()}`"
    return ", ".join(f"`{name}`" for name in parameter.opts)


def _help(parameter: Any) -> str:
    """Return the help, with the default where it says something."""
    text = " ".join(str(parameter.help or "").split())
    default = parameter.default
    plain = not callable(default) and default not in (None, "", False, 0) and not parameter.required
    return f"{text} Default: `{default}`." if plain else text
