"""Worlds and the xDS resources they become, side by side, in `<case>.<proxy>.json`.

After a change that is meant: `pytest tests/golden --write-golden`, then read the diff. Listeners are the same in every
world, so they are shown once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from mesh.model.nouns import BASELINE, Environment, Fallback, Namespace, State
from mesh.model.proxies import Gateway, Proxy, Sidecar
from mesh.model.world import World
from mesh.protos import message, to_dict
from mesh.translation.resources import LISTENER, SHORT_NAMES, Resource
from mesh.translation.views import translate
from tests.fakes.mesh_world import PORT, SHOP, endpoint, intent

HERE = Path(__file__).parent
LUA = resources.files("mesh.translation").joinpath("colour.lua").read_text()
OWNER = endpoint("productpage", BASELINE, "p1")
PROXIES: dict[str, Proxy] = {
    "gateway": Gateway("gateway/main", "127.0.0.1", 8080),
    "sidecar": Sidecar(OWNER.id, SHOP, "127.0.0.1", OWNER.outbound, OWNER.ports),
}


def plain() -> World:
    """An entry and one service behind it."""
    world = World().with_namespace(Namespace(SHOP, "bookshop.localhost", "productpage", PORT))
    world = world.with_intent(intent("productpage", BASELINE, "p1")).with_intent(intent("reviews", BASELINE, "r1"))
    return world.with_node("local", [OWNER, endpoint("reviews", BASELINE, "r1")])


def canary() -> World:
    """A tenth of the requests to reviews go to the candidate."""
    replicas = [OWNER, endpoint("reviews", BASELINE, "r1"), endpoint("reviews", BASELINE, "r2")]
    return plain().with_node("local", replicas).with_intent(intent("reviews", BASELINE, "r1", 2, r1=90, r2=10))


def lanes(fallback: Fallback = Fallback.FALLBACK) -> World:
    """Alice changes reviews; bob, based on alice, changes the entry; carol, based on bob, nothing."""
    world = plain().with_environment(Environment(SHOP, "alice", BASELINE, fallback))
    world = world.with_environment(Environment(SHOP, "bob", "alice")).with_environment(
        Environment(SHOP, "carol", "bob")
    )
    world = world.with_intent(intent("reviews", "alice", "ra")).with_intent(intent("productpage", "bob", "pb"))
    return world.with_node("remote", [endpoint("reviews", "alice", "ra"), endpoint("productpage", "bob", "pb")])


def strict() -> World:
    """As `lanes`, and requests never leave alice."""
    return lanes(Fallback.STRICT)


def draining() -> World:
    """Of three replicas of reviews one takes traffic: the others come and go."""
    states = (State.READY, State.STARTING, State.DRAINING)
    replicas = [endpoint("reviews", BASELINE, "r1", number, state) for number, state in enumerate(states)]
    return plain().with_node("local", [OWNER, *replicas])


CASES: dict[str, Callable[[], World]] = {each.__name__: each for each in (plain, canary, lanes, strict, draining)}


def shown(world: World, proxy: Proxy, *, doors: bool) -> str:
    """Return everything that the proxy should have, as JSON."""
    view = translate(world, 1).view(proxy)
    tables: dict[str, Any] = {
        SHORT_NAMES[url]: {name: content(each) for name, each in sorted(table.items())}
        for url, table in view.tables.items()
        if doors or url != LISTENER
    }
    return json.dumps({**tables, "RTDS": dict(view.weights)}, indent=1, sort_keys=True) + "\n"


def content(resource: Resource) -> Any:
    """Return a resource as JSON, without the text of the script."""
    envelope = to_dict(message("envoy.service.discovery.v3.Resource").FromString(resource.wire))
    return json.loads(json.dumps(envelope["resource"]).replace(json.dumps(LUA)[1:-1], "(colour.lua)"))


def files() -> Iterable[tuple[str, str, Path]]:
    return [(case, proxy, HERE / f"{case}.{proxy}.json") for case in CASES for proxy in PROXIES]


@pytest.mark.parametrize(("case", "proxy", "path"), files(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_world_becomes_these_resources(case: str, proxy: str, path: Path, write_golden: bool) -> None:
    text = shown(CASES[case](), PROXIES[proxy], doors=case == "plain")
    if write_golden:
        path.write_text(text)
    assert path.is_file(), f"no {path.name}: run pytest with --write-golden"
    assert json.loads(text) == json.loads(path.read_text()), "if this is meant: pytest tests/golden --write-golden"


def test_every_file_belongs_to_a_case() -> None:
    assert {path.name for path in HERE.glob("*.json")} == {path.name for _, _, path in files()}
