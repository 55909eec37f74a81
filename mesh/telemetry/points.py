"""Decode what proxies export: OTLP metrics, cumulative, two of them (mesh.translation.metricnames). Pure.

Messages come from the Envoy binary. Envoy writes the start time in microseconds into the field for nanoseconds; it
is only compared with itself here: it names one life of a proxy process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from mesh.protos import message
from mesh.translation import metricnames

REQUEST = "opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest"


class Identity(NamedTuple):
    """Who answered, or was tried. `color` of the baseline is "-"."""

    namespace: str
    service: str
    color: str
    version: str


class SeriesKey(NamedTuple):
    """One series of a proxy: attempts by outcome (`code` "0": no answer), or the latency histogram (both empty)."""

    identity: Identity
    code: str = ""
    flags: str = ""

    @property
    def is_latency(self) -> bool:
        """True for the histogram."""
        return not self.code


@dataclass(frozen=True)
class Point:
    """One cumulative value: a single count, or one for each bucket of the histogram (the last one is unbounded)."""

    series: SeriesKey
    start: int
    time: int
    values: tuple[int, ...]


def decode(raw: bytes) -> list[Point]:
    """Return the points of an export; metrics and series that are not ours are skipped.

    Raises google.protobuf.message.DecodeError when `raw` is no export request.
    """
    request = message(REQUEST).FromString(raw)
    return [
        point
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in _points(metric)
    ]


def _points(metric: Any) -> Iterator[Point]:
    if metric.name == metricnames.REQUESTS:
        for data in metric.sum.data_points:
            tags = _tags(data)
            identity = _identity(tags)
            if identity is not None:
                key = SeriesKey(identity, tags.get(metricnames.CODE, "0"), tags.get(metricnames.FLAGS, "-"))
                yield Point(key, data.start_time_unix_nano, data.time_unix_nano, (data.as_int,))
    elif metric.name == metricnames.LATENCY:
        for data in metric.histogram.data_points:
            identity = _identity(_tags(data))
            if identity is not None:
                yield Point(SeriesKey(identity), data.start_time_unix_nano, data.time_unix_nano, _buckets(data))


def _tags(data: Any) -> dict[str, str]:
    return {attribute.key: attribute.value.string_value for attribute in data.attributes}


def _identity(tags: dict[str, str]) -> Identity | None:
    """Endpoints outside of the mesh have no metadata, which Envoy writes as `-`."""
    values = [tags.get(name, "") for name in metricnames.IDENTITY]
    return None if values[1] in ("", metricnames.BASELINE) else Identity(*values)


def _buckets(data: Any) -> tuple[int, ...]:
    """Our own bounds, whatever is sent: a proxy with other bounds (an older one) counts into the bucket that holds."""
    bounds = metricnames.LATENCY_BOUNDS_US
    counts = [0] * (len(bounds) + 1)
    for position, count in enumerate(data.bucket_counts):
        if count:
            upper = data.explicit_bounds[position] if position < len(data.explicit_bounds) else float("inf")
            counts[_bucket(upper)] += count
    return tuple(counts)


def _bucket(upper: float) -> int:
    for position, bound in enumerate(metricnames.LATENCY_BOUNDS_US):
        if upper <= bound:
            return position
    return len(metricnames.LATENCY_BOUNDS_US)
