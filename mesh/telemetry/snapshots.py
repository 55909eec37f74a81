"""Totals as text fields and back: one field for each source, one for what is retired. Pure.

A source's field holds all that it contributes, so saving it is atomic by itself; only retiring touches two fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import dropwhile

from mesh.telemetry.points import Identity, SeriesKey
from mesh.telemetry.readings import Values
from mesh.telemetry.totals import Series, Source, Totals
from mesh.translation.metricnames import LATENCY_BOUNDS_US

RETIRED = "retired"
SOURCE_PREFIX = "source|"
BUCKETS = len(LATENCY_BOUNDS_US) + 1


def source_field(source: Source) -> str:
    """Return the field name of a source."""
    return f"{SOURCE_PREFIX}{source.start}|{source.node}"


def source_text(totals: Totals, source: Source) -> str:
    """Return the content of a source's field."""
    rows = [
        [*key.identity, key.code, key.flags, one.time, _short(one.base), _short(one.last)]
        for key, one in totals.sources[source].items()
    ]
    return json.dumps(rows, separators=(",", ":"))


def retired_text(totals: Totals) -> str:
    """Return the content of the field of what is retired."""
    rows = [[*key.identity, key.code, key.flags, _short(values)] for key, values in totals.retired.items()]
    return json.dumps({"rows": rows, "lives": totals.lives}, separators=(",", ":"))


def restore(fields: Mapping[str, str], now: float) -> Totals:
    """Return the totals that the fields hold. Raises ValueError when a field is damaged."""
    totals = Totals()
    for name, text in fields.items():
        if name == RETIRED:
            content = json.loads(text)
            totals.lives = {str(node): int(start) for node, start in content["lives"].items()}
            totals.retired = {_key(row): _whole(_key(row), row[6]) for row in content["rows"]}
        elif name.startswith(SOURCE_PREFIX):
            start, _, node = name.removeprefix(SOURCE_PREFIX).partition("|")
            source = Source(node, int(start))
            totals.sources[source] = dict(_series(json.loads(text)))
            totals.heard[source] = now
    for key in (*totals.retired, *(key for series in totals.sources.values() for key in series)):
        totals.registered[key.identity] = now
    return totals


def _series(rows: Iterable[list[object]]) -> Iterable[tuple[SeriesKey, Series]]:
    for row in rows:
        key = _key(row)
        yield key, Series(_whole(key, row[7]), _whole(key, row[8]), int(str(row[6])))


def _key(row: list[object]) -> SeriesKey:
    namespace, service, color, version, code, flags = (str(value) for value in row[:6])
    return SeriesKey(Identity(namespace, service, color, version), code, flags)


def _short(values: Values) -> list[int]:
    """Without the zeros at the end."""
    return list(dropwhile(lambda value: value == 0, reversed(values)))[::-1]


def _whole(key: SeriesKey, values: object) -> Values:
    if not isinstance(values, list):
        raise ValueError(f"telemetry field holds {type(values).__name__} where counts are expected")
    length = BUCKETS if key.is_latency else 1
    return (*values, *[0] * (length - len(values)))
