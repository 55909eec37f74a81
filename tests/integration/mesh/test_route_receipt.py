"""Gateway, two sidecars and two applications: who answered each hop is told, though applications forward nothing."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mesh.translation import filters
from tests.integration.mesh import dataplane as bench

pytestmark = pytest.mark.integration

DOMAIN = "shop.localhost"


@dataclass(frozen=True)
class Ports:
    gateway: int
    trusting: int
    page_inbound: int
    page_outbound: int


def plain(name: str, service: str, cluster: str) -> object:
    host = bench.virtual_host(name, ["*"])
    host.routes.append(bench.route(cluster, metadata=filters.route_metadata(service)))
    return host


def reviews_routes() -> object:
    """Calls to reviews: alice has a workload, which is dead; carol's answers; dave's is nowhere; others: baseline."""
    host = bench.virtual_host("reviews", ["*"])
    dead = bench.route("reviews-alice-then-base", metadata=filters.route_metadata("reviews", "alice"))
    dead.route.retry_policy.retry_on = "connect-failure"
    dead.route.retry_policy.num_retries.value = 3
    carol = bench.route("reviews-carol", metadata=filters.route_metadata("reviews", "carol"))
    nobody = bench.route("reviews-nobody", metadata=filters.route_metadata("reviews", "dave"))
    baseline = bench.route("reviews-base", metadata=filters.route_metadata("reviews"))
    host.matcher.CopyFrom(bench.lanes("x-color", {"alice": dead, "carol": carol, "dave": nobody}, baseline))
    return bench.route_config(host)


def alice_then_base(dead: int, alive: int) -> object:
    """Priority 0 is a dead endpoint of alice, priority 1 the baseline: what an aggregate cluster comes down to."""
    made = bench.cluster("reviews-alice-then-base", dead, identity=("shop", "reviews", "alice", "a1"))
    base = bench.cluster("x", alive, identity=("shop", "reviews", "", "r1")).load_assignment.endpoints[0]
    base.priority = 1
    made.load_assignment.endpoints.append(base)
    made.outlier_detection.consecutive_local_origin_failure.value = 1
    made.outlier_detection.split_external_local_origin_errors = True
    made.outlier_detection.enforcing_consecutive_local_origin_failure.value = 100
    made.outlier_detection.max_ejection_percent.value = 100
    made.common_lb_config.healthy_panic_threshold.value = 0
    return made


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    folder: Path = tmp_path_factory.mktemp("stack")
    gateway, trusting, page_in, page_out, reviews_in = (bench.free_port() for _ in range(5))

    def page(path: str, headers: list[tuple[str, str]]) -> bench.Answer:
        """Forwards only traceparent, and calls reviews as often as the path says; lies about its receipt."""
        trace = [(name, value) for name, value in headers if name == "traceparent"]
        times = int(path.strip("/") or 1)
        answers = [bench.get(page_out, headers=trace) for _ in range(times)]
        status = max([200, *(answer[0] for answer in answers)])
        body = json.dumps({"page": dict(headers), "reviews": [json.loads(a[2] or b"null") for a in answers]})
        return status, {"x-colorlane-route": "forged@-=0"}, body.encode()

    def reviews(path: str, headers: list[tuple[str, str]]) -> bench.Answer:
        return 200, {}, json.dumps(dict(headers)).encode()

    with contextlib.ExitStack() as running:
        page_app = running.enter_context(bench.server(page))
        reviews_app = running.enter_context(bench.server(reviews))
        to_app = bench.route_config(plain("app", "", "app"))
        outside = bench.virtual_host("front", [DOMAIN, f"*.{DOMAIN}"], filters.gateway_host(DOMAIN))
        outside.routes.append(bench.route("page", metadata=filters.route_metadata("productpage")))
        inside = bench.virtual_host("front", ["*"], filters.gateway_host(DOMAIN, trusted=True))
        inside.routes.append(bench.route("page", metadata=filters.route_metadata("productpage")))
        page_identity = ("shop", "productpage", "", "p1")
        configs = {
            "gateway": (
                [
                    bench.listener(gateway, filters.gateway_filters(), bench.route_config(outside)),
                    bench.listener(trusting, filters.gateway_filters(), bench.route_config(inside)),
                ],
                [bench.cluster("page", page_in, identity=page_identity, http2=True)],
            ),
            "page": (
                [
                    bench.listener(page_in, filters.sidecar_inbound_filters(), to_app),
                    bench.listener(page_out, filters.sidecar_outbound_filters(), reviews_routes()),
                ],
                [
                    bench.cluster("app", page_app),
                    bench.cluster("reviews-base", reviews_in, identity=("shop", "reviews", "", "r1")),
                    bench.cluster("reviews-carol", reviews_in, identity=("shop", "reviews", "carol", "c1")),
                    bench.cluster("reviews-nobody", identity=("shop", "reviews", "dave", "d1")),
                    alice_then_base(bench.free_port(), reviews_in),
                ],
            ),
            "reviews": (
                [bench.listener(reviews_in, filters.sidecar_inbound_filters(), to_app)],
                [bench.cluster("app", reviews_app)],
            ),
        }
        for listeners, clusters in configs.values():
            running.enter_context(bench.envoy(folder, listeners, clusters))
        yield Ports(gateway, trusting, page_in, page_out)


def ask(
    port: int, host: str = DOMAIN, path: str = "/", headers: list[tuple[str, str]] | None = None
) -> tuple[str, dict]:
    _, answer, body = bench.get(port, path, headers or [], host=host)
    assert "x-colorlane-hop" not in answer
    return answer["x-colorlane-route"], json.loads(body)


def test_both_hops_of_an_uncoloured_request(stack: Ports) -> None:
    receipt, seen = ask(stack.gateway)
    assert receipt == "productpage@-=p1, reviews@-=r1"
    assert "x-color" not in seen["reviews"][0]


def test_a_coloured_hop_behind_a_baseline_one(stack: Ports) -> None:
    receipt, seen = ask(stack.gateway, f"carol.{DOMAIN}:8080")
    assert receipt == "productpage@-=p1, reviews@carol=c1"
    assert seen["reviews"][0]["x-color"] == "carol"
    assert seen["reviews"][0]["baggage"] == "color=carol"
    assert seen["reviews"][0]["tracestate"] == "colorlane=carol"
    assert seen["reviews"][0]["traceparent"].split("-")[1] == seen["page"]["traceparent"].split("-")[1]


def test_a_colour_without_workload_is_no_fallback(stack: Ports) -> None:
    assert ask(stack.gateway, f"erin.{DOMAIN}")[0] == "productpage@-=p1, reviews@-=r1"


def test_fallback_says_first_that_it_was_tried_and_then_that_it_is_unhealthy(stack: Ports) -> None:
    receipts = [ask(stack.gateway, f"alice.{DOMAIN}")[0] for _ in range(3)]
    assert receipts[0] == "productpage@-=p1, reviews@-=r1;fallback=failed"
    assert receipts[1:] == ["productpage@-=p1, reviews@-=r1;fallback=unhealthy"] * 2


def test_nobody_answered(stack: Ports) -> None:
    status, answer, _ = bench.get(stack.gateway, host=f"dave.{DOMAIN}")
    assert status == 503
    assert answer["x-colorlane-route"] == "productpage@-=p1, reviews@dave=-"


def test_the_same_answer_twice_is_one_element(stack: Ports) -> None:
    assert ask(stack.gateway, path="/3")[0] == "productpage@-=p1, reviews@-=r1"


def test_a_service_may_be_in_the_host_name(stack: Ports) -> None:
    _, seen = ask(stack.gateway, f"carol--reviews.{DOMAIN}")
    assert seen["page"]["x-color"] == "carol"


@pytest.mark.parametrize(
    ("cookie", "color"),
    [
        ("colorlane=carol", "carol"),
        ("a=1; colorlane=carol; b=2", "carol"),
        ('colorlane="carol"', "carol"),
        ("xcolorlane=carol", None),
        ("a=colorlane=carol", None),
        ("colorlane=Carol", None),
    ],
)
def test_cookie(stack: Ports, cookie: str, color: str | None) -> None:
    _, seen = ask(stack.gateway, headers=[("cookie", cookie)])
    assert seen["page"].get("x-color") == color


@pytest.mark.parametrize("host", [DOMAIN, f"a.b.{DOMAIN}", f"Carol_x.{DOMAIN}", f"-carol.{DOMAIN}", f"c.x{DOMAIN}"])
def test_hosts_without_a_colour(stack: Ports, host: str) -> None:
    _, seen = ask(stack.trusting, host)
    assert "x-color" not in seen["page"]


def test_host_names_do_not_care_for_case(stack: Ports) -> None:
    assert ask(stack.gateway, f"CAROL.{DOMAIN.upper()}")[1]["page"]["x-color"] == "carol"


SPOOFED = [
    ("x-color", "carol"),
    ("x-color", "alice"),
    ("baggage", "a=1,color=carol"),
    ("tracestate", "colorlane=carol,rojo=1"),
    ("x-colorlane-code", "000011112222"),
    ("x-colorlane-route", "forged@-=1"),
]


def test_carriers_from_outside_are_stripped(stack: Ports) -> None:
    receipt, seen = ask(stack.gateway, headers=SPOOFED)
    page = seen["page"]
    assert receipt == "productpage@-=p1, reviews@-=r1"
    assert not {"x-color", "x-colorlane-code", "x-colorlane-route"} & set(page)
    assert page["baggage"] == "a=1"
    assert page["tracestate"] == "rojo=1"


def test_a_trace_from_outside_is_restarted_and_carries_no_code(stack: Ports) -> None:
    _, coloured = ask(stack.gateway, f"carol.{DOMAIN}")
    trace = coloured["page"]["traceparent"]
    receipt, seen = ask(stack.gateway, headers=[("traceparent", trace)])
    assert receipt == "productpage@-=p1, reviews@-=r1"
    assert re.fullmatch(r"00-0{12}[0-9a-f]{20}-[0-9a-f]{16}-01", seen["page"]["traceparent"])
    assert seen["page"]["traceparent"][36:] == trace[36:]  # parent and flags are the client's


def test_the_host_wins_over_spoofed_carriers(stack: Ports) -> None:
    _, seen = ask(stack.gateway, f"carol.{DOMAIN}", headers=[("x-color", "alice"), ("baggage", "color=alice,b=2")])
    assert seen["page"]["x-color"] == "carol"
    assert seen["page"]["baggage"] == "b=2,color=carol"


def test_a_trusting_gateway_lets_carriers_in(stack: Ports) -> None:
    receipt, seen = ask(stack.trusting, headers=[("baggage", "color=carol")])
    assert receipt == "productpage@-=p1, reviews@carol=c1"
    assert seen["page"]["tracestate"] == "colorlane=carol"


def test_a_trusting_gateway_keeps_the_trace_of_uncoloured_requests(stack: Ports) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    _, seen = ask(stack.trusting, headers=[("traceparent", trace)])
    assert seen["page"]["traceparent"] == trace


def test_applications_cannot_forge_a_receipt(stack: Ports) -> None:
    _, answer, _ = bench.get(stack.page_inbound, "/0")
    assert "x-colorlane-route" not in answer
