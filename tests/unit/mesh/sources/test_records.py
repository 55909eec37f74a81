"""What is written is read back the same; what a newer replica adds does not hurt."""

from __future__ import annotations

import json
from dataclasses import replace

from mesh.model.nouns import BASELINE, Environment, Fallback, Namespace
from mesh.sources import records
from tests.fakes.mesh_world import SHOP, bookshop, intent


def test_round_trips() -> None:
    asked = replace(intent("reviews", BASELINE, "r1", r1=90, r2=10), withdrawn=True)
    assert records.read_intent(records.lane_field(asked.key), records.write_intent(asked)) == asked
    space = Namespace(SHOP, "shop.localhost", "productpage", 9080)
    assert records.read_namespace(SHOP, records.write_namespace(space)) == space
    colour = Environment(SHOP, "alice", "staging", Fallback.STRICT)
    field = records.environment_field(SHOP, "alice")
    assert records.read_environment(field, records.write_environment(colour)) == colour
    replicas = list(bookshop().endpoints.values())
    assert records.read_endpoints("local", records.write_endpoints(replicas)) == replicas
    assert records.read_ports(records.write_ports({9080: "http", 9090: "grpc"})) == {9080: "http", 9090: "grpc"}


def test_unknown_fields_are_ignored() -> None:
    text = json.dumps({**json.loads(records.write_intent(intent("reviews", BASELINE, "r1"))), "mirror": "r2"})
    assert records.read_intent("bookshop/reviews/-", text).stable == "r1"
