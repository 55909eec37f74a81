"""Writes docs/settings.md from the settings classes: `python -m tests.docs.settings_page > docs/settings.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer.main
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from delivery.cli.app import app
from delivery.settings import Settings as DeliverySettings
from mesh.settings import Settings as MeshSettings

CLASSES: Mapping[str, type[BaseSettings]] = {"Delivery": DeliverySettings, "Mesh": MeshSettings}
READERS = {
    "Delivery": "Read by `colorlane`, and by the processes `api`, `agent`, `gateway` and both workers.",
    "Mesh": "Read by the process `mesh`.",
}
HEAD = """# Settings

Every setting is an environment variable. A wrong value is refused at the start, with the variable's name.
`colorlane up` passes its settings on to the processes it starts; each process can also be started alone with them.

This page is generated from the settings classes; a test compares them.
"""


def known() -> dict[str, FieldInfo]:
    """Return variable -> field of all classes."""
    return {name: field for settings in CLASSES.values() for name, field in variables(settings).items()}


def variables(settings: type[BaseSettings]) -> dict[str, FieldInfo]:
    """Return variable -> field of one class."""
    prefix = settings.model_config.get("env_prefix", "")
    return {f"{prefix}{name}".upper(): field for name, field in settings.model_fields.items()}


def render() -> str:
    """Return the page."""
    parts = [HEAD]
    for title, settings in CLASSES.items():
        rows = [row(name, field) for name, field in variables(settings).items()]
        table = "\n".join(["| variable | default | what and why |", "|---|---|---|", *rows])
        parts.append(f"## {title}\n\n{READERS[title]}\n\n{table}\n")
    rows = [f"| `{name}` | `{option.opts[0]}` | {option.help} |" for name, option in client_variables().items()]
    table = "\n".join(["| variable | option | what |", "|---|---|---|", *rows])
    parts.append(f"## Command line\n\nRead by the commands that ask the API.\n\n{table}\n")
    return "\n".join(parts)


def client_variables() -> dict[str, Any]:
    """Return variable -> option of the command line, those that are settings of the stack left out."""
    options: dict[str, Any] = {}
    waiting: list[Any] = [typer.main.get_command(app)]
    while waiting:
        command = waiting.pop(0)
        waiting += getattr(command, "commands", {}).values()
        options |= {option.envvar: option for option in command.params if option.envvar}
    return {name: option for name, option in options.items() if name == "COLORLANE_API_TOKEN" or name not in known()}


def row(name: str, field: FieldInfo) -> str:
    default = "" if field.default in ("", None) else f"`{field.default}`"
    return f"| `{name}` | {default} | {field.description} |"


if __name__ == "__main__":
    print(render(), end="")
