"""The client against a running mesh: what it says and what it raises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mesh.client import MeshClient
from mesh.errors import Conflict, NotFound, Rejected, Transient
from tests.integration.mesh.controlplane import NAMESPACE, Plane, running_plane
from tests.integration.mesh.dataplane import free_port

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A mesh with a gateway."""
    with running_plane(tmp_path_factory.mktemp("client")) as running:
        yield running


@pytest.fixture
def mesh(plane: Plane) -> Iterator[MeshClient]:
    client = MeshClient(f"http://127.0.0.1:{plane.http_port}")
    yield client
    client.close()


def test_what_is_put_is_read(mesh: MeshClient) -> None:
    mesh.put_environment(NAMESPACE, "alice", fallback="strict")
    taken = mesh.put_intent(NAMESPACE, "reviews", "alice", 2, "v1", {"v1": 100})
    assert taken["generation"] == 2
    assert mesh.intent(NAMESPACE, "reviews", "alice")["weights"] == {"v1": 100}
    mesh.remove_intent(NAMESPACE, "reviews", "alice", 3)
    assert mesh.intent(NAMESPACE, "reviews", "alice")["withdrawn"] is True
    mesh.remove_environment(NAMESPACE, "alice")
    assert [each["id"] for each in mesh.proxies()] == ["gateway/main"]
    mesh.put_endpoints("node", [])
    assert mesh.is_withdrawn("bookshop/reviews/-/v1/0")
    assert mesh.telemetry(NAMESPACE, "reviews", "") == {"versions": {}}
    mesh.put_namespace("other", "", "web", 80)
    mesh.remove_namespace("other")


def test_what_it_raises(mesh: MeshClient) -> None:
    mesh.put_intent(NAMESPACE, "ratings", "", 5, "v1", {"v1": 100})
    with pytest.raises(Conflict, match="older than the newest one seen, 5"):
        mesh.put_intent(NAMESPACE, "ratings", "", 4, "v1", {"v1": 100})
    with pytest.raises(NotFound):
        mesh.intent(NAMESPACE, "nobody", "")
    with pytest.raises(Rejected, match="weights sum to 99") as refusal:
        mesh.put_intent(NAMESPACE, "ratings", "", 6, "v1", {"v1": 99})
    assert refusal.value.remedy
    with pytest.raises(Transient, match="does not answer"):
        MeshClient(f"http://127.0.0.1:{free_port()}").proxies()
