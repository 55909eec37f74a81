"""Colour through a real sidecar: every carrier, every spelling, nothing that only looks like one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.translation import filters
from tests.fakes.carriers import color_of
from tests.integration.mesh import dataplane as bench

pytestmark = pytest.mark.integration


def code(color: str) -> str:
    return hashlib.sha256(f"colorlane:{color}".encode()).hexdigest()[:12]


def parent(trace: str) -> tuple[str, str]:
    return ("traceparent", f"00-{trace}-00f067aa0ba902b7-01")


ALICE_TRACE = parent(code("alice") + "0123456789abcdef0123")
OTHER_TRACE = parent("4bf92f3577b34da6a3ce929d0e0e4736")
NONE = "-"

# Request headers -> lane. Every case but the last few stands for an application that forwards only these.
CASES: list[tuple[str, list[tuple[str, str]], str]] = [
    ("x-color", [("x-color", "alice")], "alice"),
    ("x-color with spaces", [("x-color", "  alice\t")], "alice"),
    ("x-color twice", [("x-color", "alice"), ("x-color", "alice")], "alice"),
    ("x-color of another lane", [("x-color", "alice2")], "alice2"),
    ("x-color in capitals is no colour", [("x-color", "Alice")], NONE),
    ("x-color that is no label", [("x-color", "alice_")], NONE),
    ("x-color ending in a dash", [("x-color", "alice-")], NONE),
    ("x-color empty", [("x-color", "")], NONE),
    ("x-color too long", [("x-color", "a" * 41)], NONE),
    ("baggage alone", [("baggage", "color=alice")], "alice"),
    ("baggage first", [("baggage", "color=alice,foo=1")], "alice"),
    ("baggage middle", [("baggage", "a=1,color=alice,foo=1")], "alice"),
    ("baggage last", [("baggage", "a=1,color=alice")], "alice"),
    ("baggage with spaces", [("baggage", "a=1 ,  color = alice\t, foo=1")], "alice"),
    ("baggage with properties", [("baggage", "color=alice;ttl=60;secure,foo=1")], "alice"),
    ("baggage with spaced properties", [("baggage", "color=alice ; ttl=60")], "alice"),
    ("baggage percent-encoded", [("baggage", "color=%61lice")], "alice"),
    ("baggage in two lines", [("baggage", "foo=1"), ("baggage", "color=alice")], "alice"),
    ("baggage in two lines, reversed", [("baggage", "color=alice"), ("baggage", "foo=1")], "alice"),
    ("baggage near miss: longer key", [("baggage", "xcolor=alice")], NONE),
    ("baggage near miss: key with suffix", [("baggage", "colors=alice")], NONE),
    ("baggage near miss: property", [("baggage", "foo=1;color=alice")], NONE),
    ("baggage near miss: value", [("baggage", "foo=color=alice")], NONE),
    ("baggage near miss: key in capitals", [("baggage", "Color=alice")], NONE),
    ("baggage of another lane", [("baggage", "color=alice2")], "alice2"),
    ("baggage with an encoded comma", [("baggage", "color=alice%2Cx")], NONE),
    ("baggage: first valid member counts", [("baggage", "color=%20,color=alice,color=bob")], "alice"),
    ("tracestate alone", [("tracestate", "colorlane=alice")], "alice"),
    ("tracestate last", [("tracestate", "rojo=00f067aa0ba902b7, colorlane=alice ")], "alice"),
    ("tracestate in two lines", [("tracestate", "rojo=1"), ("tracestate", "colorlane=alice")], "alice"),
    ("tracestate near miss", [("tracestate", "xcolorlane=alice,tenant@colorlane=alice")], NONE),
    ("tracestate near miss: value", [("tracestate", "rojo=colorlane=alice")], NONE),
    ("trace id code, lane already met", [ALICE_TRACE], "alice"),
    ("trace id without code", [OTHER_TRACE], NONE),
    ("trace id code in a malformed header", [("traceparent", ALICE_TRACE[1] + "-00")], NONE),
    ("trace id code in capitals", [("traceparent", ALICE_TRACE[1].upper())], NONE),
    ("precedence: x-color over baggage", [("x-color", "bob"), ("baggage", "color=alice")], "bob"),
    ("precedence: baggage over tracestate", [("tracestate", "colorlane=alice"), ("baggage", "color=bob")], "bob"),
    ("precedence: tracestate over trace id", [("tracestate", "colorlane=bob"), ALICE_TRACE], "bob"),
    ("a malformed carrier does not hide the next", [("x-color", "B_B"), ("baggage", "color=alice")], "alice"),
    ("nothing", [], NONE),
]


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The outbound port of a sidecar whose lanes alice, alice2 and bob lead to an echo that names them."""

    def app(path: str, headers: list[tuple[str, str]]) -> bench.Answer:
        status, _, body = bench.echo(path, headers)
        return status, {"x-lane": dict(headers)["x-lane"]}, body

    def lane(name: str) -> object:
        made = bench.route("app")
        option = made.request_headers_to_add.add()
        option.header.key, option.header.value = "x-lane", name
        return made

    port, inbound = bench.free_port(), bench.free_port()
    host = bench.virtual_host("mesh", ["*"])
    host.matcher.CopyFrom(bench.lanes("x-color", {name: lane(name) for name in ("alice", "alice2", "bob")}, lane(NONE)))
    outside = bench.virtual_host("outside", ["example.test"], filters.passthrough_host())
    outside.routes.append(lane("outside"))
    inner = bench.virtual_host("app", ["*"])
    inner.routes.append(lane("inbound"))
    with bench.server(app) as app_port:
        listeners = [
            bench.listener(port, filters.sidecar_outbound_filters(), bench.route_config(host, outside)),
            bench.listener(inbound, filters.sidecar_inbound_filters(), bench.route_config(inner)),
        ]
        folder: Path = tmp_path_factory.mktemp("sidecar")
        with bench.envoy(folder, listeners, [bench.cluster("app", app_port)]):
            # The sidecar meets alice once, on the way in, as it would before its application calls anyone.
            bench.get(inbound, headers=[("x-color", "alice"), parent(code("alice") + "f" * 20)])
            yield port


def ask(port: int, headers: list[tuple[str, str]], host: str = "") -> tuple[str, dict[str, list[str]]]:
    status, answer, body = bench.get(port, headers=headers, host=host)
    assert status == 200
    return answer["x-lane"], json.loads(body)


@pytest.mark.parametrize(("headers", "lane"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_lane(sidecar: int, headers: list[tuple[str, str]], lane: str) -> None:
    assert ask(sidecar, headers)[0] == lane


@pytest.mark.parametrize(("headers", "lane"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_all_carriers_are_restored(sidecar: int, headers: list[tuple[str, str]], lane: str) -> None:
    _, seen = ask(sidecar, headers)
    assert len(seen["traceparent"]) == 1
    if lane == NONE:
        assert "x-color" not in seen
        assert not any("color=" in m.split(";")[0].split("=")[0] for m in ",".join(seen.get("baggage", [])).split(","))
        return
    assert seen["x-color"] == [lane]
    assert f"color={lane}" in ",".join(seen["baggage"]).split(",")
    assert ",".join(seen["tracestate"]).split(",")[0] == f"colorlane={lane}"
    valid_trace = [value for name, value in headers if name == "traceparent"]
    assert seen["traceparent"] == valid_trace or seen["traceparent"][0].startswith(f"00-{code(lane)}")


def test_a_prefix_of_a_lane_is_another_colour(sidecar: int) -> None:
    lane, seen = ask(sidecar, [("baggage", "color=alic")])
    assert lane == NONE
    assert seen["x-color"] == ["alic"]


def test_other_members_survive(sidecar: int) -> None:
    _, seen = ask(sidecar, [("baggage", "a=1;p=2 , color=alice;x=y,b=%20"), ("tracestate", "rojo=1,colorlane=bob,c=2")])
    assert seen["baggage"] == ["a=1;p=2,b=%20,color=alice"]
    assert seen["tracestate"] == ["colorlane=alice,rojo=1,c=2"]


def test_unknown_code_is_offered_to_the_route_table(sidecar: int) -> None:
    _, seen = ask(sidecar, [OTHER_TRACE])
    assert seen["x-colorlane-code"] == [OTHER_TRACE[1][3:15]]
    assert "x-colorlane-code" not in ask(sidecar, [ALICE_TRACE])[1]


def test_colours_do_not_leave_the_mesh(sidecar: int) -> None:
    carriers = [("x-color", "alice"), ("baggage", "a=1,color=alice"), ("tracestate", "colorlane=alice")]
    lane, seen = ask(sidecar, carriers, host="example.test")
    assert lane == "outside"
    assert "x-color" not in seen
    assert seen["baggage"] == ["a=1"]
    assert "tracestate" not in seen


PIECES = [
    "color",
    "colorlane",
    "Color",
    "x-color",
    "alice",
    "a",
    "b2",
    "-",
    "=",
    ",",
    ";",
    " ",
    "\t",
    "%61",
    "%2C",
    "%",
    "_",
]
VALUES = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
LINES = st.lists(st.tuples(st.sampled_from(["x-color", "baggage", "tracestate"]), VALUES), max_size=4)


@given(LINES)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_two_readings_of_the_rules_agree(sidecar: int, lines: list[tuple[str, str]]) -> None:
    _, seen = ask(sidecar, lines)
    color = color_of(lines)
    assert seen.get("x-color", [None]) == [color]
    assert seen["traceparent"][0][3:15] == (code(color) if color else "0" * 12)
