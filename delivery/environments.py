"""Environment: a place with a colour. Pure; neighbours: colors, releases, rollouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

BASELINE = ""  # the colour of production


class EnvironmentState(StrEnum):
    """Life of an environment."""

    ACTIVE = "active"
    DELETING = "deleting"  # routes are being withdrawn, then workloads stop, then the row goes


class Fallback(StrEnum):
    """What a coloured request meets where the lane's workload cannot answer."""

    FALLBACK = "fallback"
    STRICT = "strict"


@dataclass(frozen=True)
class Environment:
    """One environment of a project. `workloads` maps service -> the stable release's version running in it."""

    id: str  # "<project>/<name>"
    project: str
    name: str  # "production", or the colour
    color: str  # BASELINE for production; unique per project
    branch: str
    base: str = BASELINE  # colour of the base environment
    owner: str = ""
    url: str = ""
    fallback: Fallback = Fallback.FALLBACK
    state: EnvironmentState = EnvironmentState.ACTIVE
    workloads: Mapping[str, str] = field(default_factory=dict)
    revision: str = ""
    created_at: float = 0.0
    expires_at: float | None = None  # None: lives as long as its branch
    row_version: int = 0


SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def read_duration(text: str) -> float:
    """Return the seconds that `12h`, `7d` or `2w` stand for. Raises ValueError for anything else."""
    number, unit = text[:-1], text[-1:]
    if not number.isascii() or not number.isdigit() or unit not in SECONDS:
        raise ValueError(f"{text!r} is no duration like 12h, 7d or 2w")
    return float(int(number) * SECONDS[unit])
