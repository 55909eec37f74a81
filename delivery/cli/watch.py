"""Watch: follows one rollout's server-sent events in the terminal, line by line. Neighbours: rollout commands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from delivery.cli.client import Api, Row
from delivery.cli.output import console, plain, short, state

BAR = 30  # characters of the weight bar


def events(lines: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Yield (kind, data) of a stream of server-sent events, given line by line (WHATWG HTML, 9.2.6)."""
    kind = "message"
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield kind, json.loads("\n".join(data))
            kind, data = "message", []
        elif line.startswith("event:"):
            kind = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))


def watch_rollout(api: Api, id: str) -> str:
    """Print what changes until the rollout ends; return its phase then."""
    last, phase = "", ""
    with api.stream(f"rollouts/{id}/events") as response:
        for kind, data in events(response.iter_lines()):
            if kind == "end":
                break
            if kind != "rollout":
                continue
            phase = str(data["phase"])
            if (line := describe(data)) != last:
                console.print(line)
                last = line
    return phase


def describe(row: Row) -> str:
    """Return one marked-up line: bar, weight, phase, what it waits for."""
    full = round(BAR * row["weight"] / 100)
    bar = f"[magenta]{'█' * full}[/][dim]{'░' * (BAR - full)}[/]"
    sentence = row["verdict"].get("sentence", "") if not row["ended"] else ""
    why = row["message"] if row["ended"] else "; ".join(row["waiting_on"]) or row["message"]
    head = f"{bar} {row['weight']:3d} %  {state(row['phase'])}  {plain(row['service'])} {short(row['candidate'])}"
    return head + "".join(f"\n  [dim]{plain(text)}[/]" for text in dict.fromkeys([why, sentence]) if text)
