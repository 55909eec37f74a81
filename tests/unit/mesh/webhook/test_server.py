"""The HTTPS server: one path, small bodies, a certificate that is renewed while it serves."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509

from mesh.identity import Keyring, ServingCertificate, ssl_context
from mesh.injection import Options
from mesh.webhook import Outcome, admission_app, serve
from mesh.webhook.server import LONGEST_BODY
from tests.fakes.admission import review_of

POD = {"metadata": {"name": "a"}, "spec": {"containers": []}}


class House:
    def __init__(self) -> None:
        self.now = datetime.now(UTC) - timedelta(hours=17)  # clients have a clock of their own
        self.ring = Keyring().renewed(self.now)
        self.told: list[Outcome] = []
        self.serving = ServingCertificate(lambda: self.ring, ["localhost"], clock=lambda: self.now)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self.listener.getsockname()[1]}"

    def client(self) -> httpx.AsyncClient:
        trust = ssl.create_default_context(cadata=self.ring.bundle().decode())
        return httpx.AsyncClient(base_url=self.url, verify=trust, trust_env=False)

    async def run(self) -> None:
        app = admission_app(lambda: Options("i", self.ring.bundle().decode()), told=self.told.append)
        await serve(app, self.listener, ssl_context(self.serving))

    async def shown(self) -> int:
        port = self.listener.getsockname()[1]
        pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
        return x509.load_pem_x509_certificate(pem.encode()).serial_number


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_reviews_are_answered_and_told(house: House) -> None:
    async with house.client() as client:
        answer = await client.post("/inject", json=review_of(POD))
        assert answer.status_code == 200
        assert answer.json()["response"]["patchType"] == "JSONPatch"
        assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert [outcome.result for outcome in house.told] == ["injected"]


async def test_bad_requests_are_said_to_be_bad(house: House) -> None:
    async with house.client() as client:
        assert (await client.get("/inject")).status_code == 404
        assert (await client.post("/inject", content=b"[]")).status_code == 400
        assert (await client.post("/inject", content=b"{")).status_code == 400
        assert (await client.post("/inject", content=b"[" * 100_000)).status_code == 400
        long = await client.post("/inject", content=b" " * (LONGEST_BODY + 1))
        assert long.status_code == 413
        assert "bytes" in json.loads(long.content)["title"]
    assert house.told == []


async def test_a_renewed_certificate_is_shown_without_a_restart(house: House) -> None:
    async with house.client() as client:
        assert (await client.get("/healthz")).status_code == 200
        first = await house.shown()
        house.now += timedelta(hours=17)
        assert await house.shown() != first
        assert (await client.get("/healthz")).status_code == 200, "open connections stay"
