"""What the mesh reads from a bootstrap is what `mesh.sidecar` wrote into it; anything else is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mesh.errors import Rejected
from mesh.model.nouns import Port
from mesh.model.proxies import Capture, Gateway, Sidecar, read_proxy
from mesh.sidecar import Port as BootstrapPort
from mesh.sidecar import gateway_bootstrap, sidecar_bootstrap


def node(text: str) -> tuple[str, dict[str, Any]]:
    written = json.loads(text)["node"]
    return written["id"], written["metadata"]


def test_a_gateway_is_read_from_its_bootstrap() -> None:
    assert read_proxy(*node(gateway_bootstrap("main", "127.0.0.1", 8080, 15010, 1))) == Gateway(
        "gateway/main", "127.0.0.1", 8080
    )


def test_a_sidecar_is_read_from_its_bootstrap_and_its_ports_are_sorted() -> None:
    text = sidecar_bootstrap(
        "shop/reviews/-/r1/0",
        15010,
        1,
        namespace="shop",
        service="reviews",
        color="",
        version="r1",
        outbound=20002,
        ports=[BootstrapPort("z", 9090, 20003, 30003), BootstrapPort("a", 9080, 20001, 30001, "http2")],
    )
    ports = (Port("a", 9080, 20001, 30001, "http2"), Port("z", 9090, 20003, 30003))
    assert read_proxy(*node(text)) == Sidecar("shop/reviews/-/r1/0", "shop", "127.0.0.1", 20002, ports)


def test_a_pods_sidecar_has_the_ports_of_its_endpoint_and_may_capture() -> None:
    metadata = {
        "role": "sidecar",
        "namespace": "shop",
        "address": "10.0.0.7",
        "outbound": 15080.0,
        "dynamic_ports": True,
        "capture": {"outbound": 15001.0, "inbound": 15006.0, "dns": 15053.0, "later": "ignored"},
    }
    read = read_proxy("shop/reviews/-/r1/reviews-0", metadata)
    assert read == Sidecar(
        "shop/reviews/-/r1/reviews-0", "shop", "10.0.0.7", 15080, (), True, Capture(15001, 15006, 15053)
    )
    without = read_proxy("shop/reviews/-/r1/reviews-0", {**metadata, "capture": None})
    assert isinstance(without, Sidecar)
    assert without.capture is None


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"role": "gateway", "address": "127.0.0.1"},
        {"role": "gateway", "address": "127.0.0.1", "port": "none"},
        {"role": "sidecar", "address": "127.0.0.1", "namespace": "shop", "outbound": 1},
        {"role": "sidecar", "address": "127.0.0.1", "namespace": "shop", "outbound": 1, "ports": [{}]},
        {"role": "sidecar", "address": "127.0.0.1", "namespace": "shop", "outbound": 1, "ports": [], "capture": "yes"},
        {
            "role": "sidecar",
            "address": "127.0.0.1",
            "namespace": "shop",
            "outbound": 1,
            "ports": [],
            "capture": {"a": 1},
        },
    ],
    ids=["empty", "no port", "bad port", "no ports", "empty port", "capture is no mapping", "capture has no ports"],
)
def test_other_metadata_is_refused_with_the_remedy(metadata: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match="some/proxy") as refused:
        read_proxy("some/proxy", metadata)
    assert "mesh.sidecar" in refused.value.remedy
