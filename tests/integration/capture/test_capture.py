"""Capture by real rules: applications that know of no proxy are in the mesh, in both directions, by IPv4 and IPv6."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from mesh.model import pods
from mesh.translation.dns import virtual_addresses
from tests.integration.capture import captured
from tests.integration.capture.captured import APP_UID, HEALTH, PORT, Bench, Captured, bench, capture, look_up
from tests.integration.capture.namespaces import NODE4, OUTSIDE4, OUTSIDE6, Pod, inside, missing
from tests.integration.mesh.controlplane import DOMAIN, NAMESPACE
from tests.integration.mesh.dataplane import echo, get, server, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.skipif(bool(missing()), reason=missing())]
ALICE = f"alice.{DOMAIN}"
MARK = "x-forwarded-proto"  # a header by which a server sees that the request came through a sidecar
PLAIN, BARE_PORT, BARE_NET = 8000, 7070, "203.0.113.7"
VIRTUAL4, VIRTUAL6 = virtual_addresses(["productpage", "reviews"], NAMESPACE)["reviews"]


GRPC_SERVER = """
import concurrent.futures, grpc, sys
def answer(request, context):
    return request + b" " + context._rpc_event.call_details.host
method = grpc.unary_unary_rpc_method_handler(answer)
server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Rates", {"Ask": method}),))
server.add_insecure_port("0.0.0.0:" + sys.argv[1])
server.start()
server.wait_for_termination()
"""
GRPC_CLIENT = """
import grpc, sys
options = [("grpc.default_authority", "rates:9080"), ("grpc.enable_http_proxy", 0)]
with grpc.insecure_channel(f"ipv4:{sys.argv[1]}:{sys.argv[2]}", options=options) as channel:
    call = channel.unary_unary("/shop.Rates/Ask")
    answer, state = call.with_call(b"asked", timeout=10)
    print(answer.decode(), dict(state.initial_metadata()).get("x-colorlane-route"))
"""


@pytest.fixture(scope="module")
def mesh() -> Iterator[Bench]:
    """productpage -> reviews by http://reviews:9080/, and a reviews of alice's."""
    with bench() as made, captured.resolver({"other.example": OUTSIDE4}):
        made.start("productpage", "v1", calls="http://reviews:9080/")
        made.start("reviews", "v1")
        made.start("reviews", "x1", "alice")
        made.plane.call("PUT", f"environments/{NAMESPACE}/alice", {"base": "", "fallback": "fallback"})
        made.plane.weights("productpage", {"v1": 100}, "v1")
        made.plane.weights("reviews", {"v1": 100}, "v1")
        made.plane.weights("reviews", {"x1": 100}, "x1", "alice")
        for service, color in (("productpage", "-"), ("reviews", "-"), ("reviews", "alice")):
            made.plane.wait_programmed(service, color)
        yield made


@pytest.fixture
def entry(mesh: Bench) -> Captured:
    return mesh.replicas[0]


@contextlib.contextmanager
def outside(port: int = PLAIN) -> Iterator[None]:
    """A server outside of the mesh, on every address of the node, that answers with the headers it saw."""
    with contextlib.ExitStack() as stack:
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            door = socket.create_server((address, port), family=family)
            inner = stack.enter_context(server(echo))
            stack.callback(door.close)
            stack.callback(door.shutdown, socket.SHUT_RDWR)  # wakes the thread that accepts
            threading.Thread(target=accept, args=(door, inner), daemon=True).start()
        yield


def accept(door: socket.socket, inner: int) -> None:
    with contextlib.suppress(OSError):
        while True:
            caller, _ = door.accept()
            other = socket.create_connection(("127.0.0.1", inner))
            for one, two in ((caller, other), (other, caller)):
                threading.Thread(target=captured.pump, args=(one, two), daemon=True).start()


def ask(
    address: str, port: int, host: str = "", path: str = "/", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], str]:
    """One request by plain sockets."""
    connection = http.client.HTTPConnection(address, port, timeout=10)
    try:
        connection.request(method, path, headers={**({"Host": host} if host else {}), **headers})
        answer = connection.getresponse()
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()


def test_calls_by_plain_sockets_keep_their_colour(mesh: Bench) -> None:
    for _ in range(10):
        assert mesh.plane.ask(ALICE) == (200, "productpage@-=v1>reviews@alice=x1")
        assert mesh.plane.ask() == (200, "productpage@-=v1>reviews@-=v1")
    receipt = get(mesh.plane.gateway_port, host=ALICE)[1]["x-colorlane-route"]
    assert receipt == "productpage@-=v1, reviews@alice=x1"


@pytest.mark.parametrize("address", [VIRTUAL4, VIRTUAL6])
@pytest.mark.parametrize("host", ["reviews:9080", "reviews", "reviews.bookshop.svc.cluster.local:9080"])
def test_http_finds_its_service_by_host_in_both_families(entry: Captured, address: str, host: str) -> None:
    with inside(entry.pod.namespace):
        status, headers, body = ask(address, PORT, host)
        assert (status, body) == (200, "reviews@-=v1")
        assert headers["x-colorlane-route"] == "reviews@-=v1"
        assert ask(address, PORT, host, **{"x-color": "alice"})[2] == "reviews@alice=x1"


def test_callers_without_a_sidecar_pass_the_sidecar_of_whom_they_call(entry: Captured) -> None:
    for address in (entry.pod.ipv4, entry.pod.ipv6):
        status, headers, body = ask(address, PORT, baggage="color=alice", traceparent=f"00-{'ab' * 16}-{'cd' * 8}-01")
        assert (status, body) == (200, "productpage@-=v1>reviews@alice=x1")
        assert headers["x-colorlane-route"] == "reviews@alice=x1"


def test_ports_that_no_service_has_are_reached_as_they_are(entry: Captured) -> None:
    for address in (entry.pod.ipv4, entry.pod.ipv6):
        assert ask(address, HEALTH, path="/healthz")[::2] == (200, "productpage@-=v1")


@pytest.mark.parametrize("address", [OUTSIDE4, OUTSIDE6])
def test_http_to_elsewhere_goes_where_it_was_going(entry: Captured, address: str) -> None:
    with outside(), inside(entry.pod.namespace):
        status, headers, body = ask(address, PLAIN, "unknown.example", **{"x-color": "alice", "baggage": "color=alice"})
        seen = json.loads(body)
        assert status == 200
        assert MARK in seen, "it was not captured"
        assert not {"via", "x-color", "baggage"} & set(seen)
        assert "x-colorlane-route" not in headers


@pytest.mark.parametrize("port", [25, 2525])
def test_a_server_that_speaks_first_is_heard(entry: Captured, port: int) -> None:
    def greet() -> None:
        caller, _ = door.accept()
        caller.sendall(b"220 mail.example\r\n")
        caller.sendall(b"250 " + caller.recv(100))
        caller.close()

    with socket.create_server((OUTSIDE4, port)) as door:
        threading.Thread(target=greet, daemon=True).start()
        with inside(entry.pod.namespace), socket.create_connection((OUTSIDE4, port), timeout=5) as caller:
            started = time.monotonic()
            assert caller.recv(100) == b"220 mail.example\r\n"
            assert time.monotonic() - started < 1
            caller.sendall(b"EHLO me\r\n")
            assert caller.recv(100) == b"250 EHLO me\r\n"
            assert caller.recv(100) == b""


@pytest.mark.parametrize("address", [OUTSIDE4, OUTSIDE6])
def test_tls_and_other_bytes_go_through_untouched(entry: Captured, address: str) -> None:
    hello = bytes.fromhex("1603010200010001fc0303") + bytes(506)  # how a TLS connection begins
    seen: list[bytes] = []

    def serve() -> None:
        caller, _ = door.accept()
        seen.append(caller.recv(1000))
        caller.sendall(b"\x16\x03\x03answer")
        caller.close()

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 443), family=family) as door:
        threading.Thread(target=serve, daemon=True).start()
        with inside(entry.pod.namespace), socket.create_connection((address, 443), timeout=5) as caller:
            caller.sendall(hello)
            assert caller.recv(100) == b"\x16\x03\x03answer"
    assert seen == [hello]


def test_names_of_the_mesh_have_virtual_addresses_and_others_their_own(entry: Captured) -> None:
    with inside(entry.pod.namespace):
        for name in ("reviews", "reviews.bookshop", "reviews.bookshop.svc.cluster.local"):
            assert look_up(name) == (0, [VIRTUAL4])
            assert look_up(name, 28, "fd77::1") == (0, [VIRTUAL6])
        assert look_up("other.example") == (0, [OUTSIDE4])
        assert look_up("nowhere.example")[1] == []
    found = entry.pod.run("getent", "ahostsv4", "other.example", uid=APP_UID)
    assert found.stdout.split()[:1] == [OUTSIDE4]


def test_a_pod_reaches_itself_without_the_sidecar(entry: Captured) -> None:
    with inside(entry.pod.namespace):
        for address in ("127.0.0.1", "::1", entry.pod.ipv4, entry.pod.ipv6):
            seen = json.loads(ask(address, PORT, path="/headers")[2])
            assert MARK not in seen


def test_the_listeners_themselves_are_no_destination(entry: Captured) -> None:
    with inside(entry.pod.namespace):
        for port in (pods.CAPTURED_OUTBOUND_PORT, pods.CAPTURED_INBOUND_PORT):
            with pytest.raises((OSError, http.client.HTTPException)):
                ask("127.0.0.1", port, "unknown.example")
    for port in (pods.CAPTURED_OUTBOUND_PORT, pods.CAPTURED_INBOUND_PORT):
        with pytest.raises((OSError, http.client.HTTPException)):
            ask(entry.pod.ipv4, port, "reviews")
    assert entry.envoy is not None
    assert entry.envoy.poll() is None
    with inside(entry.pod.namespace):
        assert ask(VIRTUAL4, PORT, "reviews:9080")[0] == 200


def test_what_a_captured_proxy_is_asked_to_tunnel_reaches_it(entry: Captured) -> None:
    """An application with a forward proxy of its own: CONNECT is meant for that."""

    def serve() -> None:
        caller, _ = door.accept()
        seen.append(caller.recv(1000))
        caller.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        caller.sendall(caller.recv(100).upper())
        caller.close()

    seen: list[bytes] = []
    with socket.create_server((OUTSIDE4, 3128)) as door:
        threading.Thread(target=serve, daemon=True).start()
        with inside(entry.pod.namespace), socket.create_connection((OUTSIDE4, 3128), timeout=5) as caller:
            caller.sendall(b"CONNECT bank.example:443 HTTP/1.1\r\nHost: bank.example:443\r\n\r\n")
            assert caller.recv(1000).startswith(b"HTTP/1.1 200")
            caller.sendall(b"secret")
            assert caller.recv(100) == b"SECRET"
    assert seen[0].startswith(b"CONNECT bank.example:443 ")


def test_grpc_is_captured_in_both_directions(mesh: Bench, entry: Captured) -> None:
    pod = mesh.net.add_pod()
    capture(pod)
    replica = mesh.prepare(pod, "rates", "v1", protocol="grpc")
    mesh.start_envoy(replica)
    mesh.plane.processes.append(subprocess.Popen(pod.command(sys.executable, "-c", GRPC_SERVER, str(PORT))))
    with inside(pod.namespace):
        wait_for(lambda: captured.is_open("127.0.0.1", PORT))
    mesh.register(replica)
    mesh.plane.weights("rates", {"v1": 100}, "v1")
    mesh.plane.wait_programmed("rates")
    virtual = virtual_addresses(["productpage", "rates", "reviews"], NAMESPACE)["rates"][0]
    called = entry.pod.run(sys.executable, "-c", GRPC_CLIENT, virtual, str(PORT))
    assert called.stdout == "asked rates:9080 rates@-=v1\n", called.stderr
    node = Pod(mesh.net.node, NODE4, "")
    called = node.run(sys.executable, "-c", GRPC_CLIENT, pod.ipv4, str(PORT))
    assert called.stdout == "asked rates:9080 None\n", called.stderr


NO_IPTABLES = pytest.mark.skipif(not shutil.which("iptables-restore"), reason="install iptables to test the fallback")


@pytest.mark.parametrize("backend", ["nft", pytest.param("iptables", marks=NO_IPTABLES)])
def test_what_is_excluded_is_left_alone(mesh: Bench, backend: str) -> None:
    options = (
        *("--backend", backend),
        *("--exclude-outbound-ports", f"{BARE_PORT},1-10"),
        *("--exclude-outbound-cidrs", f"{OUTSIDE6}/128,192.0.2.0/24"),
        *("--exclude-uids", "10300-10310"),
        *("--exclude-inbound-ports", str(HEALTH)),
    )
    replica = mesh.start("spare", backend, options=options)
    client = f"import urllib.request; print(urllib.request.urlopen('http://{OUTSIDE4}:{PLAIN}/').read().decode())"
    with outside(), outside(port=BARE_PORT), inside(replica.pod.namespace):
        assert MARK in json.loads(ask(OUTSIDE4, PLAIN)[2])
        assert MARK not in json.loads(ask(OUTSIDE4, BARE_PORT)[2])
        assert MARK not in json.loads(ask(OUTSIDE6, PLAIN)[2])
        for uid, is_captured in ((APP_UID, True), (10305, False), (pods.PROXY_UID, False)):
            said = replica.pod.run("/usr/bin/python3", "-c", client, uid=uid)
            assert (MARK in json.loads(said.stdout)) is is_captured, said
        assert look_up("reviews")[0] == 3, "look-ups were not to be captured"
    assert ("COLORLANE_" in capture(replica.pod, command="show")) is (backend == "iptables")
    capture(replica.pod, *options)  # again: replaces
    with outside(), inside(replica.pod.namespace):
        assert MARK in json.loads(ask(OUTSIDE4, PLAIN)[2])
    capture(replica.pod, command="clean")
    capture(replica.pod, command="clean")
    assert capture(replica.pod, command="show") == ""
    with outside(), inside(replica.pod.namespace):
        assert MARK not in json.loads(ask(OUTSIDE4, PLAIN)[2])


def test_only_what_is_included_is_captured(mesh: Bench) -> None:
    pod = mesh.net.add_pod()
    capture(pod, "--include-outbound-cidrs", f"{OUTSIDE6}/128", "--dns")
    mesh.start_envoy(mesh.prepare(pod, "spare", "included"))
    with outside(), inside(pod.namespace):
        assert MARK not in json.loads(ask(OUTSIDE4, PLAIN)[2])
        assert MARK in json.loads(ask(OUTSIDE6, PLAIN)[2])
        assert ask(VIRTUAL4, PORT, "reviews")[2] == "reviews@-=v1"


def test_before_its_sidecar_listens_an_application_has_no_network(mesh: Bench) -> None:
    pod = mesh.net.add_pod()
    capture(pod)
    with outside(), inside(pod.namespace):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((NODE4, PLAIN), timeout=5)
        mesh.start_envoy(mesh.prepare(pod, "spare", "late"))
        assert ask(NODE4, PLAIN)[0] == 200
