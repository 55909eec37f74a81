"""A session against a client with Envoy's order: whatever happens, no route loses its clusters, and all settles."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.serving.exchange import Request, Response
from mesh.serving.session import REMOVAL_DELAY, Session
from mesh.translation import runtime
from mesh.translation.naming import RUNTIME_LAYER
from mesh.translation.resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES, RUNTIME
from mesh.translation.views import View
from tests.fakes.envoy_client import FakeEnvoy, fake_resource, fake_view


@pytest.fixture(autouse=True)
def readable_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the fake client read the runtime layer."""
    monkeypatch.setattr(
        runtime, "layer", lambda weights, lease: fake_resource(RUNTIME_LAYER, json.dumps(dict(weights)))
    )


class Wire:
    """A session and a client with messages on their way between them."""

    def __init__(self) -> None:
        self.client = FakeEnvoy()
        self.now = 0.0
        self.view: View | None = None
        self.reconnect()

    def reconnect(self) -> None:
        self.session = Session("proxy")
        self.down: list[Response] = []
        self.client.connect()
        if self.view is not None:
            self.show(self.view)

    def show(self, view: View) -> None:
        self.view = view
        self.down += self.session.show(view, self.now)

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self.down += self.session.advance(self.now)

    def deliver_up(self) -> None:
        if self.client.outbox:
            self.down += self.session.receive(self.client.outbox.pop(0), self.now)

    def deliver_down(self) -> None:
        if self.down:
            self.client.take(self.down.pop(0))

    def settle(self) -> None:
        for _ in range(500):
            self.deliver_up()
            self.deliver_down()
        assert not self.down
        assert not self.client.outbox


def settled(clusters: dict[str, str], **more: object) -> Wire:
    wire = Wire()
    wire.show(fake_view(1, clusters, **more))  # type: ignore[arg-type]  # forwarded keywords
    wire.settle()
    return wire


def test_a_new_proxy_gets_all_in_order_and_settles() -> None:
    wire = settled({"a": "1", "b": "1"})
    assert wire.view is not None
    assert wire.client.holds(wire.view)
    assert wire.session.settled_revision == 1
    assert wire.session.waiting_on() == []


def test_a_proxy_that_comes_back_is_sent_nothing_it_has() -> None:
    wire = settled({"a": "1", "b": "1"}, weight=10)
    received = wire.client.received
    wire.reconnect()
    wire.settle()
    assert wire.session.settled_revision == 1
    # Only two greetings, since wildcard subscriptions are always answered, and the weights, whose lease is renewed.
    assert wire.client.received - received <= 3


def test_what_went_away_while_the_proxy_was_away_is_removed() -> None:
    wire = settled({"a": "1", "b": "1"})
    wire.view = fake_view(2, {"a": "1"})
    wire.reconnect()
    wire.settle()
    wire.tick(REMOVAL_DELAY)
    wire.settle()
    assert wire.client.holds(wire.view)


def test_a_changed_cluster_gets_its_endpoints_again() -> None:
    wire = settled({"a": "1"})
    wire.show(fake_view(2, {"a": "2"}))
    wire.settle()
    assert wire.client.warming == set()
    assert wire.session.settled_revision == 2


def test_weights_go_out_at_once_while_routes_wait_for_clusters() -> None:
    wire = settled({"a": "1"}, weight=10)
    wire.show(fake_view(2, {"a": "1", "b": "1"}, weight=20))
    types = [response.type_url for response in wire.down]
    assert types == [CLUSTER, RUNTIME]
    assert json.loads(json.loads(wire.down[-1].resources[0])["content"]) == {"w.a": 20, "w.b": 20}


def test_weights_of_the_older_routes_stay_until_the_proxy_has_left_them() -> None:
    wire = settled({"a": "1", "b": "1"}, weight=50)
    wire.show(fake_view(2, {"a": "1"}, weight=60))
    assert [response.type_url for response in wire.down] == [ROUTES, RUNTIME]
    assert json.loads(json.loads(wire.down[-1].resources[0])["content"]) == {"w.a": 60, "w.b": 50}
    wire.settle()
    assert json.loads(wire.client.state[RUNTIME][RUNTIME_LAYER]["content"]) == {"w.a": 60}
    assert wire.session.settled_revision == 2


def test_clusters_outlive_their_routes() -> None:
    wire = settled({"a": "1", "b": "1"})
    wire.show(fake_view(2, {"a": "1"}))
    wire.settle()
    assert wire.session.settled_revision == 2, "removals are not waited for"
    assert "b" in wire.client.state[CLUSTER]
    assert wire.session.removals_due_at == REMOVAL_DELAY
    wire.tick(REMOVAL_DELAY)
    wire.settle()
    assert "b" not in wire.client.state[CLUSTER]
    assert wire.session.removals_due_at is None


def test_a_refused_resource_is_named_and_holds_up_only_what_needs_it() -> None:
    wire = settled({"a": "1"})
    wire.client.refuses = {"bad"}
    wire.show(fake_view(2, {"a": "1", "b": "bad", "c": "1"}))
    wire.settle()
    assert wire.session.settled_revision == 1
    assert "NACK CDS b: Error adding b: refused" in wire.session.waiting_on()
    assert wire.session.types[CLUSTER].accepted.keys() == {"a", "c"}, "its neighbours are accepted"
    assert list(wire.client.state[ROUTES]["ways"]["needs"]) == ["a"], "no route to what is not there"
    wire.show(fake_view(3, {"a": "1", "b": "good", "c": "1"}))
    wire.settle()
    assert wire.session.settled_revision == 3
    assert wire.session.waiting_on() == []


def test_stale_nonces_neither_accept_nor_reject_but_subscribe() -> None:
    session = Session("proxy")
    session.show(fake_view(1, {"a": "1"}), 0.0)
    sent = session.receive(Request(CLUSTER), 0.0)
    assert [response.type_url for response in sent] == [CLUSTER]
    answer = session.receive(Request(ENDPOINTS, subscribe=("a",), nonce="none such", error="stale"), 0.0)
    assert [response.type_url for response in answer] == [ENDPOINTS]
    assert session.types[ENDPOINTS].rejected == {}


def test_a_name_that_does_not_exist_is_answered_as_removed_and_sent_when_it_appears() -> None:
    session = Session("proxy")
    session.show(fake_view(1, {"a": "1"}), 0.0)
    answer = session.receive(Request(ENDPOINTS, subscribe=("a", "later")), 0.0)
    assert [(len(each.resources), each.removed) for each in answer] == [(1, ("later",))]
    session.receive(Request(ENDPOINTS, nonce=answer[0].nonce), 0.0)
    told = session.show(fake_view(2, {"a": "1", "later": "1"}), 0.0)
    assert [each.type_url for each in told] == [ENDPOINTS]


def test_a_name_subscribed_again_is_answered_again() -> None:
    session = Session("proxy")
    session.show(fake_view(1, {"a": "1"}), 0.0)
    first = session.receive(Request(ENDPOINTS, subscribe=("a",)), 0.0)
    session.receive(Request(ENDPOINTS, nonce=first[0].nonce), 0.0)
    again = session.receive(Request(ENDPOINTS, subscribe=("a",)), 0.0)
    assert [len(each.resources) for each in again] == [1]


def test_an_empty_wildcard_is_greeted() -> None:
    session = Session("proxy")
    session.show(fake_view(1, {}), 0.0)
    assert session.receive(Request(CLUSTER), 0.0)[0].resources == ()
    assert session.receive(Request(ENDPOINTS), 0.0) == [], "no names of a type without wildcard ask for nothing"


def test_unsubscribed_names_are_not_sent_any_more() -> None:
    session = Session("proxy")
    session.show(fake_view(1, {"a": "1"}), 0.0)
    session.receive(Request(ENDPOINTS, subscribe=("a",)), 0.0)
    session.receive(Request(ENDPOINTS, unsubscribe=("a", "unknown")), 0.0)
    assert session.show(fake_view(2, {"a": "1"}, endpoints="changed"), 0.0) == []


def test_a_listener_that_is_no_more_is_removed_at_once() -> None:
    wire = settled({"a": "1"})
    assert wire.view is not None
    tables = {**wire.view.tables, LISTENER: {"other": fake_resource("other", routes="ways")}}
    wire.show(View(2, tables, wire.view.weights))
    wire.settle()
    assert wire.client.state[LISTENER].keys() == {"other"}
    assert wire.session.settled_revision == 2


def test_types_that_are_not_served_are_ignored() -> None:
    assert Session("proxy").receive(Request("type.googleapis.com/other"), 0.0) == []


def test_a_lease_is_renewed_with_the_whole_layer_and_changes_nothing() -> None:
    wire = settled({"a": "1"}, weight=10)
    wire.down += wire.session.renew(wire.now)
    (sent,) = wire.down
    assert sent.type_url == RUNTIME
    assert json.loads(json.loads(sent.resources[0])["content"]) == {"w.a": 10}
    assert wire.session.waiting_on() == [], "renewing is nothing to wait for"
    wire.settle()
    assert wire.session.settled_revision == 1


def test_a_refused_layer_is_not_renewed() -> None:
    wire = Wire()
    wire.client.refuses = {json.dumps({"w.a": 10})}
    wire.show(fake_view(1, {"a": "1"}, weight=10))
    wire.settle()
    assert wire.session.renew(wire.now) == []
    assert any("NACK RTDS" in why for why in wire.session.waiting_on())


worlds = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"), max_size=4)
steps = st.one_of(
    st.tuples(st.just("world"), worlds, st.sampled_from(["e", "f"]), st.integers(0, 3)),
    st.tuples(st.just("up")),
    st.tuples(st.just("down")),
    st.tuples(st.just("tick"), st.sampled_from([0.5, REMOVAL_DELAY])),
    st.tuples(st.just("reconnect")),
    st.tuples(st.just("settle")),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(steps, max_size=40))
def test_whatever_happens_no_route_loses_its_clusters_and_all_settles(script: list[tuple[object, ...]]) -> None:
    original, runtime.layer = (
        runtime.layer,
        lambda weights, lease: fake_resource(RUNTIME_LAYER, json.dumps(dict(weights))),
    )
    try:
        wire, revision = Wire(), 0
        for step in script:
            match step:
                case ("world", dict() as clusters, str() as endpoints, int() as weight):
                    revision += 1
                    wire.show(fake_view(revision, clusters, endpoints=endpoints, weight=weight))
                case ("up",):
                    wire.deliver_up()
                case ("down",):
                    wire.deliver_down()
                case ("tick", float() as seconds):
                    wire.tick(seconds)
                case ("reconnect",):
                    wire.reconnect()
                case ("settle",):
                    wire.settle()
        if wire.view is not None:
            wire.settle()
            assert wire.session.settled_revision == wire.view.revision
            wire.tick(REMOVAL_DELAY)
            wire.settle()
            assert wire.client.holds(wire.view)
            assert json.loads(wire.client.state[RUNTIME][RUNTIME_LAYER]["content"]) == dict(wire.view.weights)
    finally:
        runtime.layer = original
