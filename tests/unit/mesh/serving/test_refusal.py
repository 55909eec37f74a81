"""A proxy that refuses a cluster: what needs it is held, lane by lane; everything else goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from mesh.model.lanes import Lane, Member, ServiceLanes, Target
from mesh.model.nouns import BASELINE, LaneKey
from mesh.model.world import World
from mesh.serving.exchange import Response
from mesh.serving.ledger import Ledger, Standing
from mesh.serving.session import REMOVAL_DELAY, Session
from mesh.translation import naming, runtime
from mesh.translation.holding import Lanes, Ways
from mesh.translation.naming import RUNTIME_LAYER
from mesh.translation.resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES, Resource, table
from mesh.translation.views import View
from tests.fakes.envoy_client import FakeEnvoy, fake_resource

SPACE, PORT = "shop", 80
Versions = Mapping[tuple[str, str], str]
"""(Service, colour) -> versions, the stable one first; those that begin with `bad` are refused."""


def name_of(service: str, color: str, version: str) -> str:
    return naming.member_cluster(SPACE, service, PORT, Member(color, version))


def lanes_of(versions: Versions) -> Lanes:
    plans = {}
    for service in sorted({service for service, _ in versions}):
        owned = {
            color: Lane(color, tuple(Target((Member(color, each),)) for each in asked.split()))
            for (name, color), asked in versions.items()
            if name == service
        }
        plans[service] = ServiceLanes(service, ((PORT, "http"),), owned, {color: color for color in owned if color})
    return {SPACE: plans}


def led_to(lanes: Lanes) -> set[str]:
    return {
        name_of(service, target.chain[0].color, target.version)
        for service, plan in lanes[SPACE].items()
        for lane in plan.owned.values()
        for target in lane.targets
    }


def route_table(lanes: Lanes) -> Resource:
    return fake_resource("ways", needs=led_to(lanes))


class Wire:
    """A session and a client that refuses clusters called `bad...`."""

    def __init__(self) -> None:
        self.client, self.session = FakeEnvoy(), Session("proxy")
        self.client.refuses = {"bad"}
        self.now, self.revision = 0.0, 0
        self.down: list[Response] = []
        self.client.connect()

    def show(self, versions: Versions, now: float = 0.0) -> None:
        self.revision += 1
        lanes = lanes_of(versions)
        contents = {name: "bad" if "|bad" in name else "good" for name in led_to(lanes)}
        tables = {
            CLUSTER: table(*(fake_resource(name, content) for name, content in contents.items())),
            ENDPOINTS: table(*(fake_resource(name, "hosts") for name in contents)),
            LISTENER: table(fake_resource("out", routes="ways")),
            ROUTES: table(route_table(lanes)),
        }
        self.down += self.session.show(View(self.revision, tables, {}, ways=Ways(lanes, route_table)), self.now)
        self.settle()

    def settle(self) -> None:
        for _ in range(200):
            if self.client.outbox:
                self.down += self.session.receive(self.client.outbox.pop(0), self.now)
            if self.down:
                self.client.take(self.down.pop(0))
        assert not self.down

    @property
    def routed(self) -> set[str]:
        """Clusters that the client's route table leads to."""
        return set(self.client.state[ROUTES]["ways"]["needs"])


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    monkeypatch.setattr(
        runtime, "layer", lambda weights, lease: fake_resource(RUNTIME_LAYER, json.dumps(dict(weights)))
    )
    wire = Wire()
    wire.show({("web", BASELINE): "w1", ("reviews", BASELINE): "r1"})
    return wire


def test_a_refused_candidate_is_left_out_and_others_go_on(wire: Wire) -> None:
    wire.show({("web", BASELINE): "w1 w2", ("reviews", BASELINE): "r1 bad"})
    assert wire.routed == {name_of("web", "", "w1"), name_of("web", "", "w2"), name_of("reviews", "", "r1")}
    assert wire.session.settled_revision == 2
    assert list(wire.session.refused()) == [LaneKey(SPACE, "reviews", BASELINE)]
    assert any("NACK CDS" in why for why in wire.session.waiting_on()), "it is told all the same"


def test_a_lane_whose_stable_version_is_refused_stays_as_it_was(wire: Wire) -> None:
    wire.show({("web", BASELINE): "w2", ("reviews", BASELINE): "bad"})
    assert wire.routed == {name_of("web", "", "w2"), name_of("reviews", "", "r1")}
    wire.now += 2 * REMOVAL_DELAY
    wire.down += wire.session.advance(wire.now)
    wire.settle()  # the client fails the test when a cluster goes that a route uses
    assert name_of("reviews", "", "r1") in wire.client.state[CLUSTER]
    wire.show({("web", BASELINE): "w2", ("reviews", BASELINE): "r2"})
    assert wire.routed == {name_of("web", "", "w2"), name_of("reviews", "", "r2")}
    assert (wire.session.settled_revision, wire.session.refused()) == (3, {})


def test_a_new_colour_with_a_refused_version_is_left_out(wire: Wire) -> None:
    wire.show({("web", BASELINE): "w1", ("reviews", BASELINE): "r1", ("reviews", "a"): "bad", ("web", "b"): "wb"})
    assert wire.routed == {name_of("web", "", "w1"), name_of("reviews", "", "r1"), name_of("web", "b", "wb")}
    assert list(wire.session.refused()) == [LaneKey(SPACE, "reviews", "a")]


def test_only_the_refused_lane_is_waited_for() -> None:
    lane, other = LaneKey(SPACE, "reviews", "a"), LaneKey(SPACE, "reviews", BASELINE)
    ledger = Ledger(World(), 1, 0.0)
    standings = [Standing("gateway/main", "", 1, ("NACK",), {lane: "NACK CDS x: no"})]
    assert ledger.waiting_on_intent(lane, World(), standings, 0.0) == ["gateway/main: NACK CDS x: no"]
    assert ledger.waiting_on_intent(other, World(), standings, 0.0) == []
