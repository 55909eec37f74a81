"""Responses put together from bytes are what protobuf reads; requests are read whole."""

from __future__ import annotations

from mesh.model.proxies import Gateway
from mesh.protos import message
from mesh.serving.exchange import Response
from mesh.serving.wire import parse_request, read_node, read_request, write_response
from mesh.translation.resources import CLUSTER, Resource


def test_a_response_is_a_delta_discovery_response() -> None:
    names = ["a", "b" * 300]  # lengths of one and of two bytes
    resources = [Resource.of(name, message("envoy.config.cluster.v3.Cluster")(name=name)) for name in names]
    response = Response(CLUSTER, "7", tuple(each.wire for each in resources), ("gone", "c" * 200))
    parsed = message("envoy.service.discovery.v3.DeltaDiscoveryResponse").FromString(write_response(response))
    assert [each.name for each in parsed.resources] == names
    assert (parsed.type_url, parsed.nonce) == (CLUSTER, "7")
    assert list(parsed.removed_resources) == ["gone", "c" * 200]


def test_a_request_with_and_without_error() -> None:
    request = message("envoy.service.discovery.v3.DeltaDiscoveryRequest")(
        type_url=CLUSTER,
        resource_names_subscribe=["a"],
        resource_names_unsubscribe=["b"],
        initial_resource_versions={"c": "1"},
        response_nonce="9",
    )
    request.node.id = "gateway/main"
    fields = request.node.metadata.fields
    fields["role"].string_value, fields["address"].string_value = "gateway", "127.0.0.1"
    fields["port"].number_value = 8080
    parsed = parse_request(request.SerializeToString())
    read = read_request(parsed)
    assert (read.subscribe, read.unsubscribe, read.initial_versions, read.nonce) == (("a",), ("b",), {"c": "1"}, "9")
    assert read.error is None
    assert read_node(parsed) == Gateway("gateway/main", "127.0.0.1", 8080)
    request.error_detail.message = "bad cluster"
    assert read_request(request).error == "bad cluster"
