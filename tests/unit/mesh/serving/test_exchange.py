"""One type on one stream: what a NACK names, and what is forgotten. The rest of its rules: test_session.py."""

from __future__ import annotations

from mesh.serving.exchange import Exchange, Request
from mesh.translation.resources import Table, table
from tests.fakes.envoy_client import fake_resource


def sent(*names: str) -> tuple[Exchange, Table]:
    """An exchange that has sent these names under nonce 1."""
    exchange, wanted = Exchange("type", wildcard_allowed=True), table(*(fake_resource(name) for name in names))
    exchange.receive(Request("type"))
    exchange.answer("1", exchange.outstanding(wanted), ())
    return exchange, wanted


def test_a_nack_of_a_name_does_not_reject_those_whose_names_stand_within_it() -> None:
    exchange, wanted = sent("reviews|v1", "reviews|v1|fallback", "reviews|v10")
    exchange.receive(
        Request("type", nonce="1", error="Error adding cluster(s) reviews|v1|fallback: bad, reviews|v10: x")
    )
    assert exchange.rejected.keys() == {"reviews|v1|fallback", "reviews|v10"}
    assert [each.name for each in exchange.outstanding(wanted)] == ["reviews|v1"]


def test_a_nack_that_names_nothing_rejects_all() -> None:
    exchange, wanted = sent("a", "b")
    exchange.receive(Request("type", nonce="1", error="?!"))
    assert exchange.rejected.keys() == {"a", "b"}
    assert exchange.outstanding(wanted) == []


def test_what_was_removed_is_forgotten_when_the_proxy_says_so() -> None:
    exchange, _ = sent("a", "b")
    exchange.receive(Request("type", nonce="1"))
    left = table(fake_resource("b"))
    exchange.answer("2", (), exchange.stale(left))
    assert exchange.stale(left) == [], "told once"
    exchange.receive(Request("type", nonce="2"))
    assert exchange.sent.keys() == exchange.accepted.keys() == {"b"}


def test_what_a_proxy_has_beside_a_table_it_has_accepted_is_still_to_be_removed() -> None:
    exchange, wanted = sent("a", "b")
    exchange.receive(Request("type", nonce="1"))
    left = {"b": wanted["b"]}
    assert exchange.missing(left, required=True) == []
    assert exchange.stale(left) == ["a"]
