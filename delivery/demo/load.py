"""Load: users' requests through the gateway at a steady rate, each answer kept with its route receipt.

Open loop: a request starts when it is due, whatever became of the earlier ones, so a stall shows as slow or
failed requests instead of fewer of them. Only when `CROWD` users wait already does the next one not come: on a
machine that is too busy, more would measure this client's queue instead of the system. Neighbours: story.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

import httpx

CROWD = 100
"""Requests under way at most; fewer than the client has connections, so none waits for a connection."""


@dataclass(frozen=True)
class Answer:
    """One request as its user met it. `status` 0: no answer at all, `error` says why. Times in seconds."""

    at: float
    status: int
    seconds: float
    receipt: Mapping[str, str]
    error: str = ""
    text: str = ""

    @property
    def failed(self) -> bool:
        """True for no answer, and for the server's failures."""
        return self.status == 0 or self.status >= 500


def parse_receipt(header: str) -> dict[str, str]:
    """Return service -> "<color>=<version>" of the hops named in an `x-colorlane-route` header."""
    hops: dict[str, str] = {}
    for element in header.split(","):
        service, separator, rest = element.strip().partition("@")
        if separator:
            hops[service] = rest
    return hops


async def ask(client: httpx.AsyncClient, path: str, headers: Mapping[str, str]) -> Answer:
    """Send one GET and keep what came back."""
    at, begun = time.time(), time.perf_counter()
    try:
        response = await client.get(path, headers=dict(headers))
    except httpx.HTTPError as error:
        return Answer(at, 0, time.perf_counter() - begun, {}, error=f"{type(error).__name__}: {error}")
    receipt = parse_receipt(response.headers.get("x-colorlane-route", ""))
    return Answer(at, response.status_code, time.perf_counter() - begun, receipt, text=response.text)


def new_client(gateway: str) -> httpx.AsyncClient:
    """Return a client as a browser farm would be: kept connections, patient, no proxy of the environment."""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
    return httpx.AsyncClient(base_url=gateway, timeout=15.0, limits=limits, trust_env=False)


async def interleaved(
    gateway: str, path: str, hosts: Sequence[str], count: int, width: int = 8
) -> list[tuple[str, Answer]]:
    """Send `count` requests, hosts taking turns, `width` at a time; return (host, answer) in order."""
    gate = asyncio.Semaphore(width)
    async with new_client(gateway) as client:

        async def one(host: str) -> tuple[str, Answer]:
            async with gate:
                return host, await ask(client, path, {"host": host, "accept": "application/json"})

        return list(await asyncio.gather(*(one(hosts[n % len(hosts)]) for n in range(count))))


class Load:
    """Requests at `rate` per second from a thread of its own, from `with` to the end of the block."""

    def __init__(self, gateway: str, host: str, path: str, rate: float) -> None:
        self.gateway, self.host, self.path, self.rate = gateway, host, path, rate
        self.answers: list[Answer] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-load", daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def since(self, at: float, until: float = float("inf")) -> list[Answer]:
        """Return the answers to requests sent in [at, until)."""
        return [answer for answer in list(self.answers) if at <= answer.at < until]

    def count(self, match: Callable[[Answer], bool], since: float = 0.0) -> int:
        """Return how many answers since then match."""
        return sum(1 for answer in self.since(since) if match(answer))

    def failures(self) -> str:
        """Return "failed of all" and, when there are failures, how often each kind was met."""
        failed = [answer for answer in list(self.answers) if answer.failed]
        kinds = Counter(answer.error.partition(":")[0] or str(answer.status) for answer in failed).most_common()
        told = ", ".join(f"{count} times {kind}" for kind, count in kinds)
        return f"{len(failed)} of {len(self.answers)}" + (f" ({told})" if told else "")

    def _run(self) -> None:
        asyncio.run(self._send())

    async def _send(self) -> None:
        pending: set[asyncio.Task[None]] = set()
        begun = time.perf_counter()
        async with new_client(self.gateway) as client:

            async def one() -> None:
                self.answers.append(await ask(client, self.path, {"host": self.host, "accept": "application/json"}))

            sent = 0
            while not self._stop.is_set():
                due = int((time.perf_counter() - begun) * self.rate) - sent
                for _ in range(min(due, CROWD - len(pending))):
                    task = asyncio.create_task(one())
                    pending.add(task)
                    task.add_done_callback(pending.discard)
                sent += due
                await asyncio.sleep(0.005)
            if pending:
                await asyncio.wait(set(pending), timeout=20)
