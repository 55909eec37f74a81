"""Resources: versions are hashes of content, leases have heartbeats."""

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
    assert resource.heartbeat == b""


def test_weights_are_a_lease() -> None:
    layer = runtime.layer({"b": 1, "a": 2})
    parsed = message("envoy.service.discovery.v3.Resource").FromString(layer.wire)
    beat = message("envoy.service.discovery.v3.Resource").FromString(layer.heartbeat)
    assert parsed.ttl.seconds == beat.ttl.seconds == runtime.LEASE_SECONDS
    assert runtime.HEARTBEAT_SECONDS * 3 < runtime.LEASE_SECONDS, "two lost heartbeats do no harm"
    assert beat.version == layer.version
    assert not beat.HasField("resource")
    assert runtime.layer({"a": 2, "b": 1}) == layer


def test_tables_are_sorted() -> None:
    assert list(table(Resource("b", "", b""), Resource("a", "", b""))) == ["a", "b"]
