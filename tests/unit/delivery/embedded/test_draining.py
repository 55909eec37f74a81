"""Draining: serves while load balancers have not heard, then waits for the last answer, but not for ever."""

from __future__ import annotations

import pytest

from delivery.embedded import draining


class Gateway:
    """An Envoy of which `requests` says how many it serves at each look; and the clock that waiting moves."""

    def __init__(self, requests: list[int | None], there: bool = True) -> None:
        self.requests, self.there = requests, there
        self.time, self.drained_at = 0.0, -1.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def drain(self, port: int, *, inbound_only: bool) -> bool:
        assert port == 9901
        assert not inbound_only, "a gateway's listeners have no direction"
        self.drained_at = self.time
        return self.there

    def in_flight(self, port: int) -> int | None:
        return self.requests.pop(0) if len(self.requests) > 1 else self.requests[0]


def ended(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(draining, "drain", gateway.drain)
    monkeypatch.setattr(draining, "in_flight", gateway.in_flight)
    return draining.drain_gateway(9901, now=gateway.now, sleep=gateway.sleep)


def test_it_serves_on_until_load_balancers_have_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway([0])
    assert ended(gateway, monkeypatch)
    assert gateway.drained_at == draining.UNHEARD_SECONDS


def test_the_last_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway([3, 2, 2, 1, 0])
    assert ended(gateway, monkeypatch)
    assert gateway.time >= draining.UNHEARD_SECONDS + 4 * draining.LOOK_SECONDS


def test_a_request_without_end_is_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    gateway = Gateway([1])
    assert not ended(gateway, monkeypatch)
    assert draining.LONGEST_SECONDS <= gateway.time < draining.LONGEST_SECONDS + 1
    assert "1 requests are cut" in capsys.readouterr().err


def test_where_there_is_no_gateway_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway([1], there=False)
    assert ended(gateway, monkeypatch)
    assert gateway.time == draining.UNHEARD_SECONDS
