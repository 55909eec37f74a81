"""Where trust ends: what strangers say at the gateway, and an application that sends its sidecar to itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mesh.protos import message
from mesh.translation import clusters, filters, listeners, routes
from mesh.translation.resources import Resource
from tests.integration.mesh import dataplane as bench

pytestmark = pytest.mark.integration

CLUSTER = "envoy.config.cluster.v3.Cluster"
STEERING = [
    ("x-envoy-retry-on", "5xx"),
    ("x-envoy-max-retries", "99"),
    ("x-envoy-upstream-rq-timeout-ms", "1"),
    ("x-envoy-retriable-status-codes", "200"),
    ("x-envoy-hedge-on-per-try-timeout", "true"),
    ("x-envoy-original-path", "/evil"),
    ("x-envoy-internal", "true"),
    ("x-envoy-force-trace", "1"),
    ("x-color", "alice"),
    ("x-colorlane-code", "abcdefabcdef"),
    ("x-colorlane-route", "reviews@-=forged"),
]


def content(resource: Resource, kind: str) -> Any:
    """Return the message in a resource."""
    envelope = message("envoy.service.discovery.v3.Resource")()
    envelope.ParseFromString(resource.wire)
    made = message(kind)()
    envelope.resource.Unpack(made)
    return made


def listening(resource: Resource, table: Any) -> Any:
    """Return the real listener with its routes in it, in place of a control plane."""
    made = content(resource, "envoy.config.listener.v3.Listener")
    config = made.filter_chains[0].filters[0].typed_config
    manager = message(listeners.MANAGER)()
    config.Unpack(manager)
    manager.ClearField("rds")
    manager.route_config.CopyFrom(table)
    config.Pack(manager)
    return made


def test_strangers_steer_nothing_at_the_gateway(tmp_path: Path) -> None:
    port = bench.free_port()
    host = bench.virtual_host("shop", ["shop.localhost"], filters.gateway_host("shop.localhost"))
    host.routes.append(bench.route("app"))
    gateway = listening(listeners.gateway("127.0.0.1", port), bench.route_config(host))
    with bench.server(bench.echo) as app, bench.envoy(tmp_path, [gateway], [bench.cluster("app", app)]):
        _, _, body = bench.get(port, headers=STEERING, host="shop.localhost")
        seen = json.loads(body)
        assert not {name for name, _ in STEERING} & seen.keys()
        assert seen["traceparent"][0].startswith("00-000000000000"), "a trace that says: no colour"
        assert bench.get(port, host="127.0.0.1:22")[0] == 404, "it is no proxy to elsewhere"
        assert bench.get(port, "shop.localhost:80", host="shop.localhost:80", method="CONNECT")[0] == 404


def test_a_request_for_the_sidecar_itself_does_not_go_round(tmp_path: Path) -> None:
    """Without an end it takes ten thousand connections, and every call of the application fails meanwhile."""
    port = bench.free_port()
    table = content(routes.sidecar_routes("shop", {}), "envoy.config.route.v3.RouteConfiguration")
    outbound = listening(listeners.outbound("127.0.0.1", port, "shop"), table)
    own = [content(each, CLUSTER) for each in (clusters.passthrough(), clusters.tunnel(port), clusters.original())]
    with bench.server(bench.echo) as app, bench.envoy(tmp_path, [outbound], own):
        status, _, body = bench.get(port, host=f"127.0.0.1:{port}")
        assert (status, b"the sidecar itself" in body) == (508, True)
        _, _, body = bench.get(port, host=f"127.0.0.1:{app}", headers=[("via", "1.1 colorlane-elsewhere")])
        via = json.loads(body)["via"]
        assert via[0].startswith("1.1 colorlane-elsewhere, 1.1 colorlane-"), "another proxy's name is no loop"
