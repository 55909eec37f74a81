"""The bootstrap: what a proxy knows before the mesh speaks to it."""

import json

from mesh.model.proxies import Capture
from mesh.sidecar import Port, gateway_bootstrap, sidecar_bootstrap


def sidecar(**changes: object) -> dict:
    values = {"namespace": "shop", "service": "reviews", "color": "alice", "version": "v1", "outbound": 20002}
    text = sidecar_bootstrap(
        "shop/reviews/alice/v1/0", 15010, 19000, ports=[Port("http", 9080, 20001, 30001)], **{**values, **changes}
    )
    return json.loads(text)


def test_node_says_all_that_listeners_need() -> None:
    node = sidecar()["node"]
    assert node["id"] == "shop/reviews/alice/v1/0"
    assert node["metadata"]["role"] == "sidecar"
    assert node["metadata"]["color"] == "alice"
    assert node["metadata"]["ports"] == [
        {"name": "http", "port": 9080, "inbound": 20001, "target": 30001, "protocol": "http"}
    ]


def test_node_says_where_captured_connections_arrive() -> None:
    capture = {"outbound": 20003, "inbound": 0, "dns": 20004, "ipv6": True}
    assert sidecar(capture=Capture(**capture))["node"]["metadata"]["capture"] == capture
    assert "capture" not in sidecar()["node"]["metadata"]


def test_gateway_node_has_role_and_listen_address() -> None:
    node = json.loads(gateway_bootstrap("main", "127.0.0.1", 8080, 15010, 19000))["node"]
    assert node["id"] == "gateway/main"
    assert node["metadata"] == {"role": "gateway", "name": "main", "address": "127.0.0.1", "port": 8080}


def test_admin_listens_on_loopback_only() -> None:
    document = sidecar(address="0.0.0.0")
    assert document["admin"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 19000}


def test_listeners_and_clusters_are_awaited_for_ever_but_runtime_is_not() -> None:
    document = sidecar()
    assert document["dynamic_resources"]["lds_config"]["initial_fetch_timeout"] == "0s"
    assert document["dynamic_resources"]["cds_config"]["initial_fetch_timeout"] == "0s"
    layer = document["layered_runtime"]["layers"][0]
    assert layer["name"] == layer["rtds_layer"]["name"] == "colorlane"
    assert layer["rtds_layer"]["rtds_config"]["initial_fetch_timeout"] == "2s"


def test_same_input_gives_the_same_text() -> None:
    one, two = (gateway_bootstrap("main", "127.0.0.1", 8080, 15010, 19000) for _ in range(2))
    assert one == two
