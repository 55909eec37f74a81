"""Totals: whatever comes twice, late or after a restart, nothing is counted twice and nothing is taken back."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.telemetry.points import Identity, Point, SeriesKey
from mesh.telemetry.readings import is_error
from mesh.telemetry.snapshots import RETIRED, restore, retired_text, source_field, source_text
from mesh.telemetry.totals import FORGET_SECONDS, SILENT_SECONDS, Source, Totals
from mesh.translation.metricnames import LATENCY_BOUNDS_US

V1 = Identity("shop", "reviews", "-", "v1")
SECOND = 1_000_000_000


def ok(value: int, at: int, start: int = 1, identity: Identity = V1) -> Point:
    return Point(SeriesKey(identity, "200", "-"), start, at * SECOND, (value,))


def total(totals: Totals, version: str = "v1") -> int:
    reading = totals.read("shop", "reviews", "").get(version)
    return reading.requests if reading else 0


def saved(totals: Totals) -> Totals:
    """What a mesh that comes back reads."""
    fields = {source_field(source): source_text(totals, source) for source in totals.sources}
    return restore({**fields, RETIRED: retired_text(totals)}, now=0.0)


def test_cumulative_values_replace_each_other() -> None:
    totals = Totals()
    for value, at in ((5, 1), (9, 2), (9, 3)):
        totals.observe("a", [ok(value, at)], at)
    assert total(totals) == 9


def test_proxies_and_their_lives_add_up() -> None:
    totals = Totals()
    totals.observe("a", [ok(5, 1)], 1)
    totals.observe("b", [ok(2, 1)], 1)
    totals.observe("a", [ok(3, 2, start=2)], 2)
    assert total(totals) == 10


def test_only_a_newer_lower_value_is_a_reset() -> None:
    totals = Totals()
    totals.observe("a", [ok(5, 5)], 5)
    totals.observe("a", [ok(3, 4)], 5)
    assert total(totals) == 5
    totals.observe("a", [ok(3, 6)], 6)
    assert total(totals) == 8


def test_a_clock_that_is_set_back_does_not_stop_counting() -> None:
    totals = Totals()
    totals.observe("a", [ok(5, 5000)], 1)
    totals.observe("a", [ok(7, 10)], 2)
    assert total(totals) == 7


def test_a_new_life_retires_the_old_one_and_its_late_words_are_ignored() -> None:
    totals = Totals()
    totals.observe("a", [ok(5, 1)], 1)
    totals.observe("a", [ok(3, 2, start=2)], 2)
    assert totals.sweep([V1], 3) == {Source("a", 1)}
    totals.observe("a", [ok(6, 4)], 4)
    assert total(totals) == 8
    assert list(totals.sources) == [Source("a", 2)]


def test_a_silent_life_that_comes_back_counts_on_from_there() -> None:
    totals = Totals()
    totals.observe("a", [ok(5, 1)], 1)
    assert totals.sweep([V1], 2 + SILENT_SECONDS) == {Source("a", 1)}
    totals.observe("a", [ok(6, 9000)], 9000)
    assert total(totals) == 5
    totals.observe("a", [ok(8, 9001)], 9001)
    assert total(totals) == 7


def test_versions_that_are_gone_are_forgotten_though_proxies_still_send_them() -> None:
    totals = Totals()
    gone = V1._replace(version="v0")
    for now in (1.0, FORGET_SECONDS + 2):
        totals.observe("a", [ok(5, int(now)), ok(9, int(now), identity=gone)], now)
        totals.sweep([V1], now)
    totals.observe("a", [ok(9, 700, identity=gone)], 700)
    assert total(totals) == 5
    assert "v0" not in totals.read("shop", "reviews", "-")
    assert all(key.identity == V1 for series in totals.sources.values() for key in series)
    totals.sweep([V1, gone], 701)
    totals.observe("a", [ok(9, 702, identity=gone)], 702)
    assert total(totals, "v0") == 9


def test_registered_versions_keep_their_totals_without_traffic() -> None:
    totals = Totals()
    totals.observe("a", [ok(5, 1)], 1)
    totals.sweep([V1], SILENT_SECONDS * 9)
    assert total(totals) == 5


def test_what_counts() -> None:
    totals = Totals()
    counts = {("200", "-"): 10, ("503", "-"): 2, ("0", "UF"): 3, ("0", "DC"): 50, ("200", "UC"): 1, ("404", "-"): 4}
    points = [Point(SeriesKey(V1, code, flags), 1, SECOND, (n,)) for (code, flags), n in counts.items()]
    totals.observe("a", points, 1)
    reading = totals.read("shop", "reviews", "-")["v1"]
    assert (reading.requests, reading.errors) == (20, 6)
    assert is_error("504", "UT")
    assert not is_error("499", "DC")


def test_latency_is_a_cumulative_histogram_in_milliseconds() -> None:
    totals = Totals()
    counts = [0] * (len(LATENCY_BOUNDS_US) + 1)
    counts[0], counts[5], counts[-1] = 3, 2, 1
    totals.observe("a", [Point(SeriesKey(V1), 1, SECOND, tuple(counts)), ok(6, 1)], 1)
    latency = totals.read("shop", "reviews", "-")["v1"].latency
    assert latency[0] == (1.0, 3)
    assert latency[5] == (3.0, 5)
    assert latency[-1] == (60_000.0, 5)


def test_what_is_saved_is_what_comes_back() -> None:
    totals = Totals()
    totals.observe("a", [ok(5, 1), Point(SeriesKey(V1), 1, SECOND, (1, 2) + (0,) * (len(LATENCY_BOUNDS_US) - 1))], 1)
    totals.observe("a", [ok(2, 2, start=2)], 2)
    totals.sweep([V1], 3)
    back = saved(totals)
    assert back.read("shop", "reviews", "-") == totals.read("shop", "reviews", "-")
    back.observe("a", [ok(4, 3, start=2), ok(6, 3, start=1)], 4)
    assert total(back) == 9


class Proxy:
    """A proxy that counts, loses counters, restarts, and whose exports pile up in the network."""

    def __init__(self, name: str) -> None:
        self.name, self.start, self.value, self.ever = name, 1, 0, 0
        self.sent: list[list[Point]] = []


ACTIONS = st.sampled_from(["count", "send", "deliver", "reset", "restart", "sweep", "crash", "silence"])


@given(
    st.lists(st.tuples(ACTIONS, st.integers(0, 1), st.integers(1, 9)), max_size=60), st.randoms(use_true_random=False)
)
@settings(max_examples=300, deadline=None)
def test_no_order_of_events_counts_twice_or_takes_back(events: list[tuple[str, int, int]], rng: random.Random) -> None:
    proxies = [Proxy("a"), Proxy("b")]
    totals, now, told = Totals(), 0, 0
    for action, which, amount in events:
        proxy, now = proxies[which], now + 1
        if action == "count":
            proxy.value, proxy.ever = proxy.value + amount, proxy.ever + amount
        elif action == "send":
            proxy.sent.append([ok(proxy.value, now, proxy.start)])
        elif action == "deliver" and proxy.sent:
            totals.observe(proxy.name, rng.choice(proxy.sent[-10:]), now)
        elif action == "reset":
            proxy.value = 0
        elif action == "restart":
            proxy.value, proxy.start = 0, now + 1
        elif action == "sweep":
            totals.sweep([V1], now)
        elif action == "silence":
            totals.sweep([V1], now + 2 * SILENT_SECONDS)
        elif action == "crash":
            totals = saved(totals)
        assert told <= total(totals) <= sum(one.ever for one in proxies)
        told = total(totals)


@given(st.lists(st.tuples(st.sampled_from(["count", "restart", "crash", "sweep"]), st.integers(1, 9)), max_size=40))
@settings(max_examples=200, deadline=None)
def test_when_every_export_arrives_the_total_is_exact(events: list[tuple[str, int]]) -> None:
    proxy, totals = Proxy("a"), Totals()
    for now, (action, amount) in enumerate(events, 1):
        if action == "count":
            proxy.value, proxy.ever = proxy.value + amount, proxy.ever + amount
        elif action == "restart":
            proxy.value, proxy.start = 0, now + 1
        elif action == "sweep":
            totals.sweep([V1], now)
        else:
            totals = saved(totals)
        if proxy.value:
            totals.observe("a", [ok(proxy.value, now, proxy.start)], now)
        assert total(totals) == proxy.ever
