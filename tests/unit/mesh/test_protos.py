"""The messages cut from the Envoy binary are complete and behave as protobuf messages."""

from pathlib import Path

import pytest

from mesh import protos
from mesh.errors import Broken


def test_every_message_the_mesh_speaks_is_there() -> None:
    for name in (
        "envoy.config.cluster.v3.Cluster",
        "envoy.service.discovery.v3.DeltaDiscoveryRequest",
        "envoy.service.runtime.v3.Runtime",
        "opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest",
    ):
        assert protos.message(name).DESCRIPTOR.full_name == name


def test_pack_resolves_in_the_private_pool() -> None:
    cluster = protos.message("envoy.config.cluster.v3.Cluster")(name="a", connect_timeout=protos.duration(1.5))
    packed = protos.pack(cluster)
    assert protos.unpack(packed) == cluster
    assert protos.to_dict(packed) == {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": "a",
        "connect_timeout": "1.500s",
    }
    assert protos.from_dict("google.protobuf.Any", protos.to_dict(packed)) == packed


def test_unknown_message_says_what_to_check() -> None:
    with pytest.raises(Broken, match="pinned version"):
        protos.message("envoy.config.NoSuch")


def test_a_file_without_descriptors_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "envoy"
    binary.write_bytes(b"\x0a\x07a.proto\x12\x01a" * 3 + bytes(64))
    with pytest.raises(Broken, match="only 1 message files"):
        protos.cut_descriptors(binary)
