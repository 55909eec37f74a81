"""A WebSocket through gateway and sidecar: HTTP/1.1 outside, extended CONNECT over HTTP/2 between the proxies."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import BinaryIO

import pytest

from tests.integration.mesh.controlplane import DOMAIN, NAMESPACE, Plane, running_plane
from tests.integration.mesh.dataplane import wait_for

pytestmark = pytest.mark.integration

# Key and answer are those of RFC 6455, section 1.3.
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
MASK = b"\x01\x02\x03\x04"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """The entry, and alice's own."""
    with running_plane(tmp_path_factory.mktemp("plane")) as plane:
        plane.start_replica("productpage", "v1")
        plane.call("PUT", f"environments/{NAMESPACE}/alice", {})
        plane.start_replica("productpage", "x1", "alice")
        plane.weights("productpage", {"v1": 100}, "v1")
        plane.weights("productpage", {"x1": 100}, "x1", "alice")
        plane.wait_programmed("productpage", "alice")
        wait_for(lambda: plane.ask() == (200, "productpage@-=v1"))
        yield plane


def opened(plane: Plane, host: str) -> tuple[socket.socket, BinaryIO, dict[str, str]]:
    """Shake hands; return the connection and the answer's headers."""
    wire = socket.create_connection(("127.0.0.1", plane.gateway_port), timeout=10)
    lines = [f"host: {host}", "connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 13"]
    wire.sendall("\r\n".join(["GET /chat HTTP/1.1", *lines, f"sec-websocket-key: {KEY}", "", ""]).encode())
    answers = wire.makefile("rb")
    status = answers.readline()
    assert status.split()[1] == b"101", status
    told = iter(lambda: answers.readline().decode().strip(), "")
    return wire, answers, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in told)}


def say(wire: socket.socket, answers: BinaryIO, text: bytes) -> bytes:
    """Send one masked text frame, return the text of the next frame."""
    masked = bytes(byte ^ MASK[i % 4] for i, byte in enumerate(text))
    wire.sendall(bytes((0x81, 0x80 | len(text))) + MASK + masked)
    head = answers.read(2)
    assert head[0] == 0x81
    return answers.read(head[1])


@pytest.mark.parametrize(("host", "who"), [(DOMAIN, b"productpage@-=v1"), (f"alice.{DOMAIN}", b"productpage@alice=x1")])
def test_messages_go_both_ways_in_the_lane_it_was_opened_in(plane: Plane, host: str, who: bytes) -> None:
    wire, answers, headers = opened(plane, host)
    with wire, answers:
        assert headers["sec-websocket-accept"] == ACCEPT
        assert headers["x-colorlane-route"] == who.decode()
        for number in range(50):
            text = f"message {number}".encode()
            assert say(wire, answers, text) == who + b" " + text


def test_it_stays_open_while_weights_and_routes_change(plane: Plane) -> None:
    wire, answers, _ = opened(plane, DOMAIN)
    with wire, answers:
        assert say(wire, answers, b"before") == b"productpage@-=v1 before"
        candidate = plane.start_replica("productpage", "v2")
        plane.weights("productpage", {"v1": 0, "v2": 100}, "v1")
        plane.wait_programmed("productpage")
        assert plane.ask() == (200, "productpage@-=v2")
        assert say(wire, answers, b"after") == b"productpage@-=v1 after"
        plane.weights("productpage", {"v1": 100}, "v1")
        plane.wait_programmed("productpage")
        plane.remove(candidate)
