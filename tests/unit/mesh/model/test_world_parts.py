"""The world keeps what a change does not touch: groups and ports follow from the endpoints, differences are found, and
what is translated on top of an earlier world is what is translated from nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.model.nouns import BASELINE, Endpoint, Environment, Intent, LaneKey, Namespace, Port, State
from mesh.model.proxies import Gateway, Sidecar
from mesh.model.world import World
from mesh.translation.views import translate

SPACES, SERVICES, COLORS, VERSIONS = ("shop", "bank"), ("web", "cart"), (BASELINE, "alice"), ("v1", "v2")
Change = Callable[[World], World]


def replica(
    space: str, service: str, color: str, version: str, number: int, state: State, port: int, plain: bool
) -> Endpoint:
    name = f"{space}/{service}/{color or '-'}/{version}/{number}"
    ports = (Port("http", port, 15100, 8000),)
    return Endpoint(
        name,
        f"kubernetes/{space}",
        space,
        service,
        color,
        version,
        f"10.0.0.{number}",
        ports,
        15080,
        state,
        "",
        not plain,
    )


replicas = st.builds(
    replica,
    st.sampled_from(SPACES),
    st.sampled_from(SERVICES),
    st.sampled_from(COLORS),
    st.sampled_from(VERSIONS),
    st.integers(1, 3),
    st.sampled_from(State),
    st.sampled_from((80, 9080)),
    st.booleans(),
)
keys = st.builds(LaneKey, st.sampled_from(SPACES), st.sampled_from(SERVICES), st.sampled_from(COLORS))


def come(present: list[Endpoint]) -> Change:
    return lambda world: world.with_endpoints(present)


def go(number: int) -> Change:
    return lambda world: world.with_endpoints((), sorted(world.endpoints)[number::3])


def ask(key: LaneKey, generation: int, weights: dict[str, int], withdrawn: bool) -> Change:
    return lambda world: world.with_intent(Intent(key, generation, next(iter(weights)), weights, withdrawn))


def expose(space: str, exposed: bool) -> Change:
    if not exposed:
        return lambda world: world.without_namespace(space)
    return lambda world: world.with_namespace(Namespace(space, f"{space}.test", "web", 80))


def color(space: str, known: bool) -> Change:
    if not known:
        return lambda world: world.without_environment(space, "alice")
    return lambda world: world.with_environment(Environment(space, "alice"))


weights = st.sampled_from(({"v1": 100}, {"v1": 90, "v2": 10}, {"v2": 50, "v1": 50}))
changes = st.one_of(
    st.builds(come, st.lists(replicas, max_size=4)),
    st.builds(go, st.integers(0, 2)),
    st.builds(ask, keys, st.integers(1, 4), weights, st.booleans()),
    st.builds(expose, st.sampled_from(SPACES), st.booleans()),
    st.builds(color, st.sampled_from(SPACES), st.booleans()),
)


def follow(steps: list[Change]) -> list[World]:
    worlds = [World()]
    for step in steps:
        worlds.append(step(worlds[-1]))
    return worlds


@given(st.lists(changes, max_size=12))
def test_groups_and_ports_are_those_of_the_endpoints(steps: list[Change]) -> None:
    world = follow(steps)[-1]
    grouped = {
        (space, service, name): each
        for space, services in world.replicas.items()
        for service, members in services.items()
        for name, each in members.items()
    }
    assert grouped == {(each.namespace, each.service, name): each for name, each in world.endpoints.items()}
    assert all(members for services in world.replicas.values() for members in services.values())
    said: dict[tuple[str, str], set[int]] = {}
    for each in world.endpoints.values():
        said.setdefault((each.namespace, each.service), set()).update(port.port for port in each.ports)
    intended = {(key.namespace, key.service) for key, intent in world.intents.items() if not intent.withdrawn}
    assert {key: set(ports) for key, ports in world.ports.items() if key in said} == said
    assert world.ports.keys() <= said.keys() | intended


@given(st.lists(changes, max_size=12))
def test_differences_are_found(steps: list[Change]) -> None:
    worlds = follow(steps)
    for then, now in pairwise(worlds):
        names = then.endpoints.keys() | now.endpoints.keys()
        assert now.endpoints_since(then) == {
            name for name in names if then.endpoints.get(name) != now.endpoints.get(name)
        }


@settings(max_examples=60, deadline=None)
@given(st.lists(changes, min_size=1, max_size=10))
def test_step_by_step_comes_out_as_at_once(steps: list[Change]) -> None:
    gateway = Gateway("gateway/main", "127.0.0.1", 8080)
    sidecar = Sidecar("shop/web/-/v1/1", "shop", "10.0.0.1", 15080, dynamic_ports=True)
    held, shapes = translate(World(), 0), dict[str, tuple[int | None, object]]()
    for revision, world in enumerate(follow(steps)[1:], 1):
        held, whole = translate(world, revision, held), translate(world, revision)
        for proxy in (gateway, sidecar):
            view, wanted = held.view(proxy), whole.view(proxy)
            assert view.tables == wanted.tables
            assert view.weights == wanted.weights
            shape, tables = shapes.get(proxy.id, (None, None))
            assert view.shape != shape or view.tables == tables, "a shape stands for tables that are the same"
            shapes[proxy.id] = (view.shape, view.tables)


def test_what_is_told_again_is_the_same_world() -> None:
    first = replica("shop", "web", BASELINE, "v1", 1, State.READY, 80, plain=False)
    world = World().with_endpoints([first])
    assert world.with_endpoints([replace(first)]) is world
    assert world.with_endpoints((), ["nobody"]) is world


def test_a_change_leaves_the_other_groups_as_they_are() -> None:
    web, cart = (replica("shop", name, BASELINE, "v1", 1, State.READY, 80, plain=False) for name in SERVICES)
    bank = replica("bank", "web", BASELINE, "v1", 1, State.READY, 80, plain=False)
    before = World().with_endpoints([web, cart, bank])
    after = before.with_endpoints([replace(web, state=State.DRAINING)])
    assert after.replicas["bank"] is before.replicas["bank"]
    assert after.replicas["shop"]["cart"] is before.replicas["shop"]["cart"]
    assert after.ports is before.ports
    assert after.services_since(before, "shop") == {"web"}
    assert after.touched_since(before) == set()


def test_endpoints_of_a_registry_outlive_a_reload_of_everything_else() -> None:
    pod = replica("shop", "web", BASELINE, "v1", 1, State.READY, 80, plain=False)
    registered = replace(pod, id="other", node="by-hand")
    loaded = World().with_intent(Intent(LaneKey("shop", "cart", BASELINE), 1, "v1"))
    before = World().with_endpoints([pod, registered])
    assert loaded.keeping_endpoints(before, "kubernetes/").endpoints == {pod.id: pod}
