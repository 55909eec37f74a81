"""What a version's counts mean: requests, errors and latency as the gate reads them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mesh.telemetry.points import SeriesKey
from mesh.translation.metricnames import LATENCY_BOUNDS_US

ABORTED_BY_CALLER = "DC"
BROKEN_FLAGS = frozenset({"UF", "UC", "UR", "UT", "UPE", "UO", "LR", "SI", "URX", "UMSDR"})
"""Response flags (Envoy access log, %RESPONSE_FLAGS%) of answers that broke off or were never complete."""

Values = tuple[int, ...]


@dataclass(frozen=True)
class Reading:
    """Cumulative counts of one version; `latency` has (upper bound in ms, answers at or below it), no last infinity."""

    requests: int
    errors: int
    latency: tuple[tuple[float, int], ...]

    def as_json(self) -> dict[str, object]:
        """Return the shape of `GET /v1/telemetry/...`."""
        return {"requests": self.requests, "errors": self.errors, "latency": [list(pair) for pair in self.latency]}


def reading_of(series: Mapping[SeriesKey, Values]) -> Reading:
    """Return the reading of one version from all its series."""
    requests = errors = 0
    latency: Values = ()
    for key, values in series.items():
        if key.is_latency:
            latency = values
        elif not (key.code == "0" and ABORTED_BY_CALLER in key.flags.split(",")):
            requests += values[0]
            errors += values[0] if is_error(key.code, key.flags) else 0
    return Reading(requests, errors, _cumulative(latency))


def is_error(code: str, flags: str) -> bool:
    """Whether an attempt failed: 5xx, no answer at all (`0`), or an answer that broke off."""
    return code == "0" or code.startswith("5") or not BROKEN_FLAGS.isdisjoint(flags.split(","))


def _cumulative(counts: Values) -> tuple[tuple[float, int], ...]:
    total = 0
    out = []
    for bound, count in zip(LATENCY_BOUNDS_US, counts, strict=False):
        total += count
        out.append((bound / 1000, total))
    return tuple(out)
