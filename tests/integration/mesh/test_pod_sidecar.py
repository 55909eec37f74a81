"""The very arguments of an injected container, run by the real Envoy: TLS, a token that is replaced, health, node."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from mesh.identity import Keyring, ServingCertificate
from mesh.model.pods import PodIdentity
from mesh.protos import to_dict
from mesh.sidecar import Door, gateway_bootstrap, pod_arguments, pod_bootstrap
from tests.fakes.background import Background, free_port
from tests.fakes.xds_door import FakeMesh

pytestmark = pytest.mark.integration
NAME = "colorlane-mesh.colorlane.svc"


class TokenVolume:
    """A projected volume as the kubelet writes it: a link to a folder, swapped whole."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.turn = folder, 0
        folder.mkdir()
        self.write("token-one")
        (folder / "token").symlink_to("..data/token")

    def write(self, token: str) -> None:
        self.turn += 1
        content = self.folder / f"..{self.turn}"
        content.mkdir()
        (content / "token").write_text(token)
        (self.folder / "..data_tmp").symlink_to(content.name)
        os.replace(self.folder / "..data_tmp", self.folder / "..data")


async def until(what: str, look: Callable[[], object], seconds: float = 30.0) -> None:
    for _ in range(int(seconds / 0.05)):
        if look():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


@pytest.fixture
def ring() -> Keyring:
    return Keyring().renewed(datetime.now(UTC))


@pytest.fixture
async def mesh(ring: Keyring) -> AsyncIterator[FakeMesh]:
    fake = FakeMesh(ServingCertificate(lambda: ring, [NAME]))
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
def volume(tmp_path: Path) -> TokenVolume:
    return TokenVolume(tmp_path / "identity")


def as_the_kubelet_would(arguments: list[str], health: int, admin: int) -> list[str]:
    """Values for the variables; and free ports, since pods have addresses of their own and this machine has not."""
    values = {"$(POD_NAME)": "reviews-7d9-x", "$(POD_NAMESPACE)": "shop", "$(POD_IP)": "127.0.0.1"}
    for variable, value in values.items():
        arguments = [argument.replace(variable, value) for argument in arguments]
    ports = {'"port_value":15000': f'"port_value":{admin}', '"port_value":15021': f'"port_value":{health}'}
    for port, free in ports.items():
        arguments = [argument.replace(port, free) for argument in arguments]
    return arguments


@pytest.fixture
def start(tmp_path: Path) -> AsyncIterator[Callable[..., Background]]:
    started: list[Background] = []

    def run(arguments: list[str]) -> Background:
        process = Background(tmp_path / "envoy.log", os.sys.executable, "-m", "mesh.sidecar", *arguments)
        process.start()
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()


async def test_a_pods_sidecar_comes_in_with_tls_and_the_token_of_the_moment(
    ring: Keyring, mesh: FakeMesh, volume: TokenVolume, start: Callable[..., Background]
) -> None:
    door = Door(ring.bundle().decode(), f"{volume.folder}/token", NAME)
    identity = PodIdentity("$(POD_NAMESPACE)", "reviews", "alice", "v2")
    text = pod_bootstrap(identity, door, captured=True, xds_address="127.0.0.1", xds_port=mesh.port)
    health = free_port()
    process = start(as_the_kubelet_would(pod_arguments(text, concurrency=1), health, free_port()))

    def healthy(path: str = "/healthz/ready") -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{health}{path}", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    await until("the sidecar's health", healthy)
    assert not healthy("/config_dump"), "only readiness is shown outside of the pod"
    node = mesh.nodes[0]
    assert node.id == "shop/reviews/alice/v2/reviews-7d9-x"
    metadata = to_dict(node.metadata)
    assert metadata["dynamic_ports"] is True
    assert metadata["capture"] == {"outbound": 15001, "inbound": 15006, "dns": 0, "ipv6": True}
    assert (metadata["namespace"], metadata["address"], metadata["outbound"]) == ("shop", "127.0.0.1", 15080)
    assert mesh.streams == ["Bearer token-one"]

    volume.write("token-two")

    async def comes_again_with(token: str) -> bool:
        await mesh.cut_streams()
        seen = len(mesh.streams)
        await until("the stream to come again", lambda: len(mesh.streams) > seen)
        return mesh.streams[-1] == f"Bearer {token}"

    for _ in range(20):  # the file is noticed within moments, not at once
        if await comes_again_with("token-two"):
            break
    assert mesh.streams[-1] == "Bearer token-two"
    assert process.process is not None
    assert process.process.poll() is None


async def test_a_mesh_of_another_authority_or_name_is_not_spoken_to(
    mesh: FakeMesh, volume: TokenVolume, ring: Keyring, start: Callable[..., Background], tmp_path: Path
) -> None:
    stranger = Keyring().renewed(datetime.now(UTC))
    for bundle, name in ((stranger.bundle(), NAME), (ring.bundle(), "elsewhere.colorlane.svc")):
        door = Door(bundle.decode(), f"{volume.folder}/token", name)
        file = tmp_path / "gateway.json"
        port = mesh.port
        file.write_text(
            gateway_bootstrap("pod-1", "127.0.0.1", 8080, port, free_port(), xds_address="127.0.0.1", door=door)
        )
        process = start(["-c", str(file), "--disable-hot-restart", "--log-level", "info"])
        await until("a refused handshake", lambda log=process.log: b"CERTIFICATE_VERIFY_FAILED" in log.read_bytes())
        process.kill()
        process.log.unlink()
    assert mesh.streams == []


async def test_a_gateway_shows_its_token_too(
    ring: Keyring, mesh: FakeMesh, volume: TokenVolume, start: Callable[..., Background], tmp_path: Path
) -> None:
    door = Door(ring.bundle().decode(), f"{volume.folder}/token", NAME)
    file = tmp_path / "gateway.json"
    text = gateway_bootstrap("gw-0", "127.0.0.1", 8080, mesh.port, free_port(), xds_address="127.0.0.1", door=door)
    file.write_text(text)
    start(["-c", str(file), "--disable-hot-restart"])
    await until("its stream", lambda: mesh.nodes)
    assert mesh.nodes[0].id == "gateway/gw-0"
    assert mesh.streams == ["Bearer token-one"]
    assert "token-one" not in text, "the bootstrap holds no secret"
