"""Resources: versions are hashes of content, leases a time to live."""

from mesh.protos import message
from mesh.translation import runtime
from mesh.translation.resources import Resource, table


def cluster(name: str) -> object:
    return message("envoy.config.cluster.v3.Cluster")(name=name)


def test_the_version_is_the_contents_and_the_parents() -> None:
    one, same, other = (Resource.of("a", cluster(name)) for name in ("x", "x", "y"))
    assert one.version == same.version != other.version
    assert Resource.of("a", cluster("x"), parent="1").version != one.version


def test_the_wire_form_is_a_discovery_resource() -> None:
    resource = Resource.of("a", cluster("x"))
    parsed = message("envoy.service.discovery.v3.Resource").FromString(resource.wire)
    assert (parsed.name, parsed.version) == ("a", resource.version)
    assert not parsed.HasField("ttl")


def test_weights_are_a_lease() -> None:
    layer = runtime.layer({"b": 1, "a": 2})
    parsed = message("envoy.service.discovery.v3.Resource").FromString(layer.wire)
    assert parsed.ttl.seconds == runtime.LEASE_SECONDS
    short = message("envoy.service.discovery.v3.Resource").FromString(runtime.layer({"b": 1, "a": 2}, 2.5).wire)
    assert (short.ttl.seconds, short.ttl.nanos) == (2, 500_000_000)
    assert runtime.layer({"a": 2, "b": 1}) == layer


def test_tables_are_sorted() -> None:
    assert list(table(Resource("b", "", b""), Resource("a", "", b""))) == ["a", "b"]
