"""Options of the xDS server: gRPC ignores names it does not know, so each must be a name it knows."""

from pathlib import Path

import pytest
from grpc._cython import cygrpc

from mesh.serving.streams import OPTIONS


@pytest.fixture(scope="module")
def library() -> bytes:
    return Path(cygrpc.__file__).read_bytes()


@pytest.mark.parametrize("name", [name for name, _ in OPTIONS])
def test_grpc_knows_the_option(library: bytes, name: str) -> None:
    # Also at the end of a string of bytes: the linker may merge names with what ends alike.
    assert name.encode() + b"\0" in library


def test_a_wrong_name_would_be_noticed(library: bytes) -> None:
    assert b"grpc.http2.min_recv_ping_interval_without_data_ms\0" not in library
