"""Routes of the Gateway API: what the mesh does today is taken, everything else is refused by the path of its field."""

from __future__ import annotations

import pytest

from mesh.model.nouns import Namespace
from mesh.sources.kubernetes.conditions import class_status, gateway_status, route_status
from mesh.sources.kubernetes.gateways import CONTROLLER, Verdict, judge, ours
from tests.fakes.gateway_objects import CLASS, LATER, NOW, PREFIX, Item, gateway, lookup, route, rule


def verdicts(*routes: Item, gateways: list[Item] | None = None, taken: dict[str, str] | None = None) -> list[Verdict]:
    return judge(gateways or [gateway()], routes, lookup, taken or {})


def test_a_host_that_leads_to_a_service_exposes_its_namespace() -> None:
    (found,) = verdicts(route())
    assert found.refusal is None
    assert found.namespace == Namespace("shop", "shop.test", "web", 80, "HTTPRoute shop/web")


def test_only_classes_of_this_controller_count() -> None:
    other = {"metadata": {"name": "other"}, "spec": {"controllerName": "example.com/other"}}
    foreign = {**gateway(), "spec": {**gateway()["spec"], "gatewayClassName": "other"}}
    assert ours([CLASS, other], [gateway(), foreign]) == ([CLASS], [gateway()])
    assert verdicts(route(parentRefs=[{"name": "elsewhere"}])) == []


@pytest.mark.parametrize(
    ("asked", "kind", "reason", "message"),
    [
        (route(hostnames=[]), "Accepted", "UnsupportedValue", "spec.hostnames: 0 names"),
        (route(hostnames=["*.shop.test"]), "Accepted", "UnsupportedValue", "spec.hostnames[0]"),
        (route("web", rule(), rule()), "Accepted", "UnsupportedValue", "spec.rules: 2 rules"),
        (
            route("web", rule(matches=[{**PREFIX, "headers": [{"name": "a", "value": "b"}]}])),
            "Accepted",
            "UnsupportedValue",
            "spec.rules[0].matches[0].headers: not supported yet",
        ),
        (
            route("web", rule(matches=[{"path": {"type": "Exact", "value": "/"}}])),
            "Accepted",
            "UnsupportedValue",
            "spec.rules[0].matches[0].path",
        ),
        (route("web", rule(timeouts={"request": "1s"})), "Accepted", "UnsupportedValue", "spec.rules[0].timeouts"),
        (
            route("web", rule(backendRefs=[{"name": "web", "port": 80}] * 2)),
            "Accepted",
            "UnsupportedValue",
            "spec.rules[0].backendRefs: 2",
        ),
        (
            route("web", rule(backendRefs=[{"name": "gone", "port": 80}])),
            "ResolvedRefs",
            "BackendNotFound",
            "spec.rules[0].backendRefs[0].name: there is no Service gone",
        ),
        (
            route("web", rule(backendRefs=[{"name": "web", "port": 81}])),
            "ResolvedRefs",
            "BackendNotFound",
            "backendRefs[0].port",
        ),
        (
            route("web", rule(backendRefs=[{"name": "web", "port": 80, "namespace": "bank"}])),
            "ResolvedRefs",
            "RefNotPermitted",
            "backendRefs[0].namespace",
        ),
        (
            route("web", rule(backendRefs=[{"name": "web", "kind": "Bucket", "group": "x"}])),
            "ResolvedRefs",
            "InvalidKind",
            "backendRefs[0].kind",
        ),
        (route(namespace="bank"), "Accepted", "NotAllowedByListeners", "spec.parentRefs"),
    ],
)
def test_what_is_refused_names_the_field(asked: Item, kind: str, reason: str, message: str) -> None:
    (found,) = verdicts(asked)
    assert found.namespace is None
    assert found.refusal is not None
    assert (found.refusal.kind, found.refusal.reason) == (kind, reason)
    assert message in found.refusal.message


def test_listeners_say_who_may_attach() -> None:
    opened = gateway(allowedRoutes={"namespaces": {"from": "All"}})
    (found,) = verdicts(route(namespace="bank"), gateways=[opened])
    assert found.namespace is not None
    (other,) = verdicts(route(), gateways=[gateway(hostname="*.bank.test")])
    assert other.refusal is not None
    assert other.refusal.reason == "NoMatchingListenerHostname"
    (closed,) = verdicts(route(), gateways=[gateway(protocol="HTTPS")])
    assert closed.refusal is not None
    assert closed.refusal.reason == "NoMatchingParent"


def test_the_older_of_two_routes_has_the_domain_and_a_project_has_it_before_both() -> None:
    found = verdicts(route("new", created=LATER), route("old", created=NOW))
    assert [(each.route["metadata"]["name"], each.refusal is None) for each in found] == [("old", True), ("new", False)]
    (late,) = verdicts(route(), taken={"shop.test": "bookshop"})
    assert late.refusal is not None
    assert "project bookshop has shop.test" in late.refusal.message


def test_a_route_at_two_gateways_is_taken_at_both() -> None:
    both = [{"name": "main"}, {"name": "second"}]
    found = verdicts(route(parentRefs=both), gateways=[gateway(), gateway("second")])
    assert [each.refusal for each in found] == [None, None]


def test_conditions_tell_the_verdict_and_who_is_waited_for() -> None:
    asked = route()
    (parent,) = route_status(asked, verdicts(asked), ["gateway/main: has not acknowledged it yet"], NOW)["parents"]
    shown = {
        each["type"]: (each["status"], each["reason"], each["observedGeneration"]) for each in parent["conditions"]
    }
    assert parent["controllerName"] == CONTROLLER
    assert shown == {
        "Accepted": ("True", "Accepted", 3),
        "ResolvedRefs": ("True", "ResolvedRefs", 3),
        "colorlane.dev/Programmed": ("False", "Pending", 3),
    }
    assert "gateway/main" in parent["conditions"][2]["message"]


def test_a_status_that_stays_keeps_its_time_and_what_others_said_stays() -> None:
    asked = route()
    foreign = {"controllerName": "example.com/other", "parentRef": {"name": "x"}, "conditions": []}
    asked["status"] = {"parents": [foreign]}
    first = route_status(asked, verdicts(asked), [], NOW)
    asked["status"] = first
    assert route_status(asked, verdicts(asked), [], LATER) == first
    assert first["parents"][0] == foreign
    assert route_status(asked, [], [], LATER) == {"parents": [foreign]}


def test_gateways_count_their_routes_and_refuse_other_protocols() -> None:
    status = gateway_status(gateway(), verdicts(route()), [], NOW)
    assert [(each["type"], each["status"]) for each in status["conditions"]] == [
        ("Accepted", "True"),
        ("Programmed", "True"),
    ]
    assert status["listeners"][0]["attachedRoutes"] == 1
    refused = gateway_status(gateway(protocol="TLS"), [], [], NOW)["listeners"][0]["conditions"][0]
    assert (refused["status"], refused["reason"]) == ("False", "UnsupportedProtocol")
    assert refused["message"].startswith("spec.listeners[0].protocol")
    assert class_status(CLASS, NOW)["conditions"][0]["status"] == "True"
