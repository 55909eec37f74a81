"""Totals from cumulative exports: exact over restarts of proxies and of the mesh. Pure; time is an argument.

A source is one life of one proxy: (node id, start). Its last values, plus what it had before a counter fell, are its
contribution; the total is the sum over sources and what retired ones left. Nothing else is stored, so a mesh that comes
back with an older copy is put right by the next export. Rules:

- a point that is not newer than the last one of its series is ignored (exports may come twice or out of order);
- a newer point with a lower value means that the counter was reset: the old value is kept, the new one added;
- a new life of a node retires the older ones; a silent source is retired after `SILENT_SECONDS`;
- a retired life that speaks again counts from where it stands then: totals may lack something, never hold it twice;
- versions that are not registered any more are forgotten after `FORGET_SECONDS`, and their points skipped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from mesh.telemetry.points import Identity, Point, SeriesKey
from mesh.telemetry.readings import Reading, Values, reading_of
from mesh.translation.metricnames import BASELINE

SILENT_SECONDS = 3600.0
FORGET_SECONDS = 600.0
CLOCK_STEP_NS = 60_000_000_000
"""A point older than this is no late delivery (exports time out after 5 s): the proxy's clock was set back."""
LIVES_REMEMBERED = 20_000


@dataclass(frozen=True)
class Source:
    """One life of a proxy."""

    node: str
    start: int


@dataclass
class Series:
    """`base` is what was counted before resets (below zero for a life that came back); `last` the newest value."""

    base: Values
    last: Values
    time: int

    @property
    def total(self) -> Values:
        """What this series contributes."""
        return _add(self.base, self.last)


@dataclass
class Totals:
    """The aggregator. Not thread-safe: one event loop owns it."""

    sources: dict[Source, dict[SeriesKey, Series]] = field(default_factory=dict)
    retired: dict[SeriesKey, Values] = field(default_factory=dict)
    lives: dict[str, int] = field(default_factory=dict)
    """Node -> newest retired start."""
    heard: dict[Source, float] = field(default_factory=dict)
    registered: dict[Identity, float] = field(default_factory=dict)
    """Identity -> when it was last known to be registered (or first met)."""
    forgotten: dict[Identity, float] = field(default_factory=dict)
    """Identity -> when a proxy last sent it."""

    def observe(self, node: str, points: Iterable[Point], now: float) -> set[Source]:
        """Take one export in; return the sources whose contribution changed."""
        changed = set()
        for start, group in _by_start(points).items():
            source = Source(node, start)
            comes_back = source not in self.sources and start <= self.lives.get(node, -1)
            if comes_back and self._followed(source):
                continue  # a late word of a life that is over
            series = self.sources.setdefault(source, {})
            self.heard[source] = now
            moved = [self._take(series, point, now, comes_back=comes_back) for point in group]
            if any(moved):
                changed.add(source)
        return changed

    def _followed(self, source: Source) -> bool:
        """Whether a newer life of the same node is known."""
        newer = any(one.node == source.node and one.start > source.start for one in self.sources)
        return newer or source.start < self.lives[source.node]

    def _take(self, series: dict[SeriesKey, Series], point: Point, now: float, *, comes_back: bool) -> bool:
        identity = point.series.identity
        if identity in self.forgotten:
            self.forgotten[identity] = now
            return False
        self.registered.setdefault(identity, now)
        known = series.get(point.series)
        if known is None:
            base = tuple(-value for value in point.values) if comes_back else (0,) * len(point.values)
            series[point.series] = Series(base, point.values, point.time)
            return True
        return _advance(known, point)

    def read(self, namespace: str, service: str, color: str) -> dict[str, Reading]:
        """Return version -> reading for one service in one environment (`color` "" or "-" is the baseline)."""
        wanted = (namespace, service, color or BASELINE)
        sums: dict[SeriesKey, Values] = {}
        for key, values in self._contributions():
            if key.identity[:3] == wanted:
                sums[key] = _add(sums[key], values) if key in sums else values
        versions = sorted({key.identity.version for key in sums})
        return {
            version: reading_of({k: v for k, v in sums.items() if k.identity.version == version})
            for version in versions
        }

    def _contributions(self) -> Iterable[tuple[SeriesKey, Values]]:
        yield from self.retired.items()
        for series in self.sources.values():
            for key, one in series.items():
                yield key, one.total

    def sweep(self, registered: Collection[Identity], now: float) -> set[Source]:
        """Retire what is silent or followed, forget what is gone; return the sources that are no more.

        Call it every few seconds with the versions that the mesh knows now. What is retired must be saved together
        with the removal of the sources.
        """
        for identity in registered:
            self.registered[identity] = now
            self.forgotten.pop(identity, None)
        self._forget(now)
        newest: dict[str, int] = {}
        for source in self.sources:
            newest[source.node] = max(source.start, newest.get(source.node, 0))
        gone = {
            source
            for source in self.sources
            if source.start < newest[source.node] or now - self.heard.setdefault(source, now) > SILENT_SECONDS
        }
        for source in sorted(gone, key=lambda one: one.start):
            self._retire(source)
        return gone

    def _retire(self, source: Source) -> None:
        for key, one in self.sources.pop(source).items():
            self.retired[key] = _add(self.retired[key], one.total) if key in self.retired else one.total
        self.heard.pop(source, None)
        self.lives[source.node] = max(source.start, self.lives.pop(source.node, 0))  # moves it to the end
        while len(self.lives) > LIVES_REMEMBERED:
            del self.lives[next(iter(self.lives))]

    def _forget(self, now: float) -> None:
        old = {identity for identity, at in self.registered.items() if now - at > FORGET_SECONDS}
        for identity in old:
            del self.registered[identity]
            self.forgotten[identity] = now
        if old:
            self.retired = {key: values for key, values in self.retired.items() if key.identity not in old}
            for source, series in self.sources.items():
                self.sources[source] = {key: one for key, one in series.items() if key.identity not in old}
        for identity in [one for one, at in self.forgotten.items() if now - at > FORGET_SECONDS]:
            del self.forgotten[identity]


def _by_start(points: Iterable[Point]) -> Mapping[int, list[Point]]:
    groups: dict[int, list[Point]] = {}
    for point in points:
        groups.setdefault(point.start, []).append(point)
    return groups


def _advance(known: Series, point: Point) -> bool:
    fell = any(new < old for new, old in zip(point.values, known.last, strict=True))
    if point.time <= known.time:
        set_back = point.time < known.time - CLOCK_STEP_NS
        if not set_back or fell:
            return False
    elif fell:
        known.base = known.total
    moved = fell or point.values != known.last
    known.last, known.time = point.values, point.time
    return moved


def _add(one: Values, two: Values) -> Values:
    return tuple(a + b for a, b in zip(one, two, strict=True))
