"""Objects of a cluster as the API server gives them, and the endpoints that they become."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.model.nouns import Endpoint, Port, State
from mesh.sources.kubernetes.catalogue import Catalogue, Update
from mesh.sources.kubernetes.mirror import Changes
from mesh.sources.kubernetes.objects import NODES, PODS, SERVICES, SLICES, Kind
from mesh.sources.kubernetes.protocols import protocol

Item = dict[str, Any]
LABELS = {
    "colorlane.dev/project": "shop",
    "colorlane.dev/service": "reviews",
    "colorlane.dev/color": "alice",
    "colorlane.dev/version": "r2",
}
POD = "reviews-alice-r2-abcde"


def meta(name: str, **more: Any) -> Item:
    return {"metadata": {"name": name, "namespace": "shop-ns", **more}}


def service(name: str = "reviews", *ports: Item, **spec: Any) -> Item:
    return {
        **meta(name),
        "spec": {"ports": list(ports) or [{"name": "http", "port": 9080, "targetPort": "web"}], **spec},
    }


def pod(name: str = POD, labels: Item | None = None, *, ready: bool = True, **metadata: Any) -> Item:
    containers = [{"name": "app", "ports": [{"name": "web", "containerPort": 8080}]}]
    return {
        **meta(name, labels=LABELS if labels is None else labels, **metadata),
        "spec": {"nodeName": "n1", "containers": containers, "initContainers": [{"name": "colorlane-proxy"}]},
        "status": {
            "podIP": "10.0.0.7",
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


def slice_(name: str, of: str, *, pods: tuple[str, ...] = (POD,), port: int = 8080, **conditions: bool) -> Item:
    endpoints = [
        {"addresses": ["10.0.0.7"], "conditions": conditions, "targetRef": {"kind": "Pod", "name": each}}
        for each in pods
    ]
    return {
        **meta(name, labels={"kubernetes.io/service-name": of}),
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port}],
        "endpoints": endpoints,
    }


NODE = {
    "metadata": {"name": "n1", "labels": {"topology.kubernetes.io/region": "r", "topology.kubernetes.io/zone": "z"}}
}


class Bench:
    """A catalogue that is told objects of a kind, and what is said of them."""

    def __init__(self, **objects: list[Item]) -> None:
        self.catalogue = Catalogue(lambda project, _, place: place in (project, f"{project}-ns"))
        for kind in (NODES, SERVICES, SLICES, PODS):
            self.put(kind, *objects.get(kind.plural, []))

    def put(self, kind: Kind, *items: Item) -> Update:
        for item in items:
            record, metadata = kind.read(item), item["metadata"]
            name = (metadata.get("namespace", ""), metadata["name"])
            self.catalogue.take(kind.plural, Changes({name: record}) if record else Changes(gone=(name,)))
        return self.catalogue.update()

    def remove(self, kind: Kind, name: str) -> Update:
        self.catalogue.take(kind.plural, Changes(gone=(("shop-ns", name),)))
        return self.catalogue.update()

    @property
    def only(self) -> Endpoint:
        (endpoint,) = self.catalogue.endpoints.values()
        return endpoint


def bench(**objects: list[Item]) -> Bench:
    whole = {"services": [service()], "endpointslices": [slice_("s1", "reviews", ready=True)], "pods": [pod()]}
    return Bench(**{"nodes": [NODE], **whole, **objects})


def test_a_pod_of_a_workload_becomes_an_endpoint() -> None:
    assert bench().only == Endpoint(
        id=f"shop/reviews/alice/r2/{POD}",
        node="kubernetes/shop-ns",
        namespace="shop",
        service="reviews",
        color="alice",
        version="r2",
        address="10.0.0.7",
        ports=(Port("http", 9080, 15100, 8080, "http"),),
        outbound=15080,
        state=State.READY,
        locality="r/z",
        managed=True,
    )


def test_a_pod_that_claims_a_project_of_another_namespace_is_left_out() -> None:
    found = bench(pods=[pod(labels={**LABELS, "colorlane.dev/project": "bank"})]).catalogue
    assert not found.endpoints
    assert "project bank does not live in this namespace" in next(iter(found.problems.values()))


def test_a_service_that_claims_a_project_of_another_namespace_is_of_its_own() -> None:
    claiming = {**service(), **meta("reviews", labels={"colorlane.dev/project": "bank"})}
    assert bench(services=[claiming]).catalogue.service("shop-ns", "reviews") == ("shop-ns", frozenset({9080}))


def test_a_plain_pod_is_of_the_service_that_selects_it() -> None:
    found = bench(pods=[pod(labels={"app": "reviews-app"})]).only
    assert (found.id, found.namespace, found.service) == (f"shop-ns/reviews-app/-/default/{POD}", "shop-ns", "reviews")
    assert (found.version, found.color, found.managed) == ("default", "", False)


def test_a_pod_of_several_services_is_one_endpoint_with_the_ports_of_all() -> None:
    metrics = {"name": "http-metrics", "port": 9090, "targetPort": 9100}
    services = [service(), service("reviews-alice-r2"), service("reviews-metrics", metrics)]
    slices = [slice_("s1", "reviews-alice-r2", ready=True), slice_("s2", "reviews-metrics", ready=True)]
    found = bench(services=services, endpointslices=slices).only
    assert found.service == "reviews"
    assert [(port.port, port.inbound, port.target) for port in found.ports] == [
        (9080, 15100, 8080),
        (9090, 15101, 9100),
    ]


@pytest.mark.parametrize(
    ("objects", "state"),
    [
        ({"endpointslices": []}, State.STARTING),
        ({"endpointslices": [slice_("s1", "reviews", ready=False)], "pods": [pod(ready=False)]}, State.STARTING),
        ({"endpointslices": [slice_("s1", "reviews")]}, State.READY),
        ({"pods": [pod(ready=False)]}, State.STARTING),
        ({"pods": [pod(ready=False)], "services": [service(publishNotReadyAddresses=True)]}, State.READY),
        ({"pods": [pod(deletionTimestamp="2026-11-22T10:00:00Z")]}, State.DRAINING),
        ({"endpointslices": [slice_("s1", "reviews", ready=False, serving=True, terminating=True)]}, State.DRAINING),
    ],
    ids=["no slice", "not ready", "conditions untold", "the pod knows first", "published", "deleted", "terminating"],
)
def test_states(objects: dict[str, list[Item]], state: State) -> None:
    assert bench(**objects).only.state is state


@pytest.mark.parametrize(
    "absent",
    [
        {**pod(), "spec": {"containers": [{"name": "app"}]}},
        {**pod(), "status": {"phase": "Pending"}},
        {**pod(), "status": {"phase": "Succeeded", "podIP": "10.0.0.7"}},
    ],
    ids=["no sidecar", "no address", "ended"],
)
def test_pods_outside_of_the_mesh(absent: Item) -> None:
    assert not bench(pods=[absent]).catalogue.endpoints


def test_a_pod_that_says_it_is_injected_is_believed() -> None:
    item = pod(annotations={"colorlane.dev/status": "injected"})
    del item["spec"]["initContainers"]
    assert bench(pods=[item]).catalogue.endpoints


def test_a_service_without_pods_outside_and_one_for_udp_have_no_ports_here() -> None:
    udp = {"name": "dns", "port": 53, "protocol": "UDP"}
    assert not bench(services=[service("reviews", udp)]).catalogue.endpoints
    assert not bench(services=[service(type="ExternalName")]).catalogue.endpoints


def test_too_many_ports_are_said_and_leave_the_pod_out() -> None:
    ports = [{"name": f"p{number}", "port": 1000 + number} for number in range(101)]
    found = bench(services=[service("reviews", *ports)]).catalogue
    assert not found.endpoints
    assert "101 ports" in next(iter(found.problems.values()))


def test_only_what_changed_is_told() -> None:
    others = [pod(f"reviews-{number}") for number in range(3)]
    slices = [slice_("s1", "reviews", pods=(POD, *(each["metadata"]["name"] for each in others)), ready=True)]
    filled = bench(pods=[pod(), *others], endpointslices=slices)
    assert len(filled.catalogue.endpoints) == 4
    assert not filled.put(PODS, pod())
    update = filled.put(PODS, pod(ready=False))
    assert [each.state for each in update.present] == [State.STARTING]
    assert filled.remove(PODS, POD).gone == (f"shop/reviews/alice/r2/{POD}",)


def test_a_changed_service_moves_the_ports_of_its_pods() -> None:
    filled = bench()
    update = filled.put(SERVICES, service("reviews", {"name": "grpc", "port": 80, "targetPort": 8080}))
    assert [(port.port, port.protocol) for port in update.present[0].ports] == [(80, "grpc")]
    assert update.ports == {("shop-ns", "reviews"): {80: "grpc"}}
    assert filled.remove(SERVICES, "reviews").gone == (f"shop/reviews/alice/r2/{POD}",)


def test_a_slice_that_goes_takes_the_readiness_with_it() -> None:
    filled = bench()
    assert [each.state for each in filled.remove(SLICES, "s1").present] == [State.STARTING]


def test_another_label_makes_another_endpoint() -> None:
    update = bench().put(PODS, pod(labels={**LABELS, "colorlane.dev/version": "r3"}))
    assert update.gone == (f"shop/reviews/alice/r2/{POD}",)
    assert [each.version for each in update.present] == ["r3"]


def test_a_slice_whose_endpoint_names_no_pod_is_no_news() -> None:
    item = slice_("s1", "reviews")
    del item["endpoints"][0]["targetRef"]["name"]
    assert bench(endpointslices=[item]).only.state is State.STARTING


def test_a_node_that_learns_its_zone_moves_its_pods() -> None:
    filled = bench(nodes=[])
    assert filled.only.locality == ""
    assert [each.locality for each in filled.put(NODES, NODE).present] == ["r/z"]


@pytest.mark.parametrize(
    ("app_protocol", "name", "number", "wanted"),
    [
        ("", "", 80, "http"),
        ("", "grpc-api", 80, "grpc"),
        ("kubernetes.io/h2c", "http", 80, "http2"),
        ("", "tcp-raw", 80, "tcp"),
        ("", "", 5432, "tcp"),
        ("http", "", 5432, "http"),
        ("example.com/own", "web", 8080, "http"),
    ],
)
def test_protocols(app_protocol: str, name: str, number: int, wanted: str) -> None:
    assert protocol(app_protocol, name, number) == wanted
