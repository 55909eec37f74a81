"""The bootstrap of pods: who it is in the kubelet's variables, what it trusts inside, nothing outside of the text."""

import json

from mesh.model.pods import PodIdentity
from mesh.sidecar import HEALTH_PATH, Door, gateway_bootstrap, pod_arguments, pod_bootstrap
from mesh.sidecar.__main__ import without_ipv6

DOOR = Door("-----BEGIN CERTIFICATE-----\n", "/var/run/secrets/colorlane/token")
MESH = "colorlane-mesh.colorlane.svc"


def bootstrap(*, captured: bool = True) -> dict:
    identity = PodIdentity("$(POD_NAMESPACE)", "reviews", "", "v1")
    return json.loads(pod_bootstrap(identity, DOOR, captured=captured, xds_address=MESH))


def test_node_is_put_together_by_the_kubelet() -> None:
    node = bootstrap()["node"]
    assert node["id"] == "$(POD_NAMESPACE)/reviews/-/v1/$(POD_NAME)"
    assert node["metadata"] == {
        "role": "sidecar",
        "namespace": "$(POD_NAMESPACE)",
        "service": "reviews",
        "color": "",
        "version": "v1",
        "address": "$(POD_IP)",
        "outbound": 15080,
        "dynamic_ports": True,
        "capture": {"outbound": 15001, "inbound": 15006, "dns": 0, "ipv6": True},
    }
    assert "capture" not in bootstrap(captured=False)["node"]["metadata"]


def test_the_mesh_is_spoken_to_in_tls_with_the_token_only() -> None:
    cluster = bootstrap()["static_resources"]["clusters"][0]
    tls = cluster["transport_socket"]["typed_config"]
    assert tls["sni"] == MESH
    validation = tls["common_tls_context"]["validation_context"]
    assert validation["trusted_ca"] == {"inline_string": DOOR.ca_pem}
    assert validation["match_typed_subject_alt_names"] == [{"san_type": "DNS", "matcher": {"exact": MESH}}]
    (options,) = cluster["typed_extension_protocol_options"].values()
    assert [each["name"] for each in options["http_filters"]] == [
        "envoy.filters.http.header_mutation",
        "envoy.filters.http.upstream_codec",
    ]


def test_readiness_is_shown_on_the_pods_address_and_nothing_else_of_the_admin_interface() -> None:
    document = bootstrap()
    (listener,) = document["static_resources"]["listeners"]
    assert listener["address"]["socket_address"] == {"address": "$(POD_IP)", "port_value": 15021}
    (route,) = listener["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]["routes"]
    assert route["match"] == {"path": HEALTH_PATH}
    assert document["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"


def test_arguments_are_one_line_and_the_same_each_time() -> None:
    text = pod_bootstrap(PodIdentity("a", "b", "", "c"), DOOR, captured=True, xds_address=MESH)
    assert "\n" not in text
    assert pod_arguments(text, concurrency=2)[:4] == ["--config-yaml", text, "--concurrency", "2"]
    assert text == pod_bootstrap(PodIdentity("a", "b", "", "c"), DOOR, captured=True, xds_address=MESH)


def test_a_gateway_without_a_door_is_as_before() -> None:
    plain = json.loads(gateway_bootstrap("main", "127.0.0.1", 8080, 15010, 19000))["static_resources"]["clusters"][0]
    assert "transport_socket" not in plain
    door = Door("", token_file="")
    (options,) = json.loads(gateway_bootstrap("main", "127.0.0.1", 8080, 15010, 19000, door=door))["static_resources"][
        "clusters"
    ][0]["typed_extension_protocol_options"].values()
    assert [each["name"] for each in options["http_filters"]] == ["envoy.filters.http.upstream_codec"]


def test_a_pod_without_ipv6_takes_captured_connections_by_ipv4_only() -> None:
    text = pod_bootstrap(PodIdentity("shop", "reviews", "", "v1"), DOOR, captured=True, xds_address=MESH)
    arguments = pod_arguments(text, concurrency=1)
    changed = without_ipv6(arguments)
    document = json.loads(changed[1])
    assert document["node"]["metadata"]["capture"] == {"outbound": 15001, "inbound": 15006, "dns": 0, "ipv6": False}
    assert changed[2:] == arguments[2:]
    plain = pod_bootstrap(PodIdentity("shop", "reviews", "", "v1"), DOOR, captured=False, xds_address=MESH)
    assert without_ipv6(pod_arguments(plain, concurrency=1)) == pod_arguments(plain, concurrency=1)
