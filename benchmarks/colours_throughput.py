"""Throughput and p99 through gateway and sidecar with 1 and with 1000 colours configured, in paired rounds.

Two meshes stand side by side, one with few colours and one with many; every round drives each of them in turn with the
last colour's host name, so that both sides meet the same machine. The ratio of a round is what counts. Target: 0.97.
wrk drives if it is on the PATH, else a small asyncio client. The application is an Envoy that answers by itself.
The CPU time of gateway and sidecar per request is told too: it hardly depends on what else the machine does.
Run: `python benchmarks/colours_throughput.py [--colours 1000] [--rounds 7] [--seconds 3] [--json]`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from plane import DOMAIN, NAMESPACE, Plane, plane, wait_for
from weights_to_ack import Caller

from mesh.protos import pack, to_dict
from mesh.sidecar import envoy_argv
from tests.integration.mesh.dataplane import listener, route_config, virtual_host

TARGET_RATIO = 0.97
CONNECTIONS = 20
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Sample:
    """One round on one side."""

    requests_per_second: float
    p99_ms: float
    cpu_us: float = 0.0


Drive = Callable[[int, str, int], Sample]
"""Port, host, seconds -> what was measured."""


def raise_mesh(running: Plane, colours: int) -> str:
    """The entry service in the baseline and in each colour, all on one sidecar; return the last colour's host."""
    caller = Caller(running.http_port)
    weights = {"generation": 1, "stable": "x1", "weights": {"x1": 100}}
    for number in range(colours):
        caller.call("PUT", f"environments/{NAMESPACE}/c{number}", {})
        caller.call("PUT", f"intents/{NAMESPACE}/productpage/c{number}", weights)
    running.weights("productpage", {"v1": 100}, "v1")
    replica = running.start_replica("productpage", "v1")
    replica.app.kill()
    replica.app.wait()
    start_application(running, int(replica.record["ports"][0]["target"]))
    twins = [
        {**replica.record, "id": f"{NAMESPACE}/productpage/c{number}/x1/0", "color": f"c{number}", "version": "x1"}
        for number in range(colours)
    ]
    caller.call("PUT", "nodes/twins/endpoints", {"endpoints": twins})
    host = f"c{colours - 1}.{DOMAIN}"
    wait_for(lambda: running.ask(host)[0] == 200 and running.is_synced(), 60)
    return host


def cpu_seconds(running: Plane) -> float:
    """CPU time that gateway and sidecar have used."""
    processes = [running.gateway, *(replica.envoy for replica in running.replicas)]
    fields = [
        Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split() for process in processes if process
    ]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def one_round(running: Plane, host: str, drive: Drive, seconds: int) -> Sample:
    """Load one side, and read what it cost."""
    before = cpu_seconds(running)
    sample = drive(running.gateway_port, host, seconds)
    used = cpu_seconds(running) - before
    return replace(sample, cpu_us=used / (sample.requests_per_second * seconds) * 1e6)


def start_application(running: Plane, port: int) -> None:
    """An Envoy that answers 200 by itself."""
    host = virtual_host("app", ["*"])
    route = host.routes.add(match={"prefix": "/"})
    route.direct_response.status = 200
    route.direct_response.body.inline_string = "ok"
    document = to_dict(pack(listener(port, [_router()], route_config(host))))
    document.pop("@type")
    path = running.folder / "application.json"
    path.write_text(json.dumps({"static_resources": {"listeners": [document]}}))
    running.processes.append(subprocess.Popen(envoy_argv(path, log_path=running.folder / "application.log")))


def _router() -> object:
    from mesh.protos import message

    router = message("envoy.extensions.filters.http.router.v3.Router")()
    kind = message("envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter")
    return kind(name="envoy.filters.http.router", typed_config=pack(router))


def drive_wrk(port: int, host: str, seconds: int) -> Sample:
    """Load with wrk."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-H", f"Host: {host}"]
    done = subprocess.run([*command, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout:
        raise RuntimeError(done.stdout)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    slowest = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    if rate is None or slowest is None:
        raise RuntimeError(done.stdout)
    return Sample(float(rate[1]), float(slowest[1]) * UNITS[slowest[2]])


def drive_python(port: int, host: str, seconds: int) -> Sample:
    """Load with asyncio: a few connections, each with one request at a time."""
    taken: list[float] = []
    request = f"GET / HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()

    async def one(until: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < until:
            started = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            if not head.startswith(b"HTTP/1.1 200") or length is None:
                raise RuntimeError(head.decode())
            await reader.readexactly(int(length[1]))
            taken.append((time.perf_counter() - started) * 1000)
        writer.close()

    async def all_of_them() -> None:
        until = time.perf_counter() + seconds
        await asyncio.gather(*(one(until) for _ in range(CONNECTIONS)))

    asyncio.run(all_of_them())
    return Sample(len(taken) / seconds, statistics.quantiles(taken, n=100)[98])


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--colours", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    drive: Drive = drive_wrk if shutil.which("wrk") else drive_python
    sides: dict[int, list[Sample]] = {1: [], arguments.colours: []}
    with ExitStack() as stack:
        meshes = {}
        for colours in sides:
            running = stack.enter_context(plane())
            meshes[colours] = (running, raise_mesh(running, colours))
            one_round(*meshes[colours], drive, 1)  # warm
        for number in range(arguments.rounds):
            for colours in sorted(sides, reverse=bool(number % 2)):
                sides[colours].append(one_round(*meshes[colours], drive, arguments.seconds))
    report(sides, arguments.colours, as_json=arguments.json)


def report(sides: dict[int, list[Sample]], many: int, *, as_json: bool) -> None:
    """Print medians of both sides and of the paired ratios."""
    ratios = [b.requests_per_second / a.requests_per_second for a, b in zip(sides[1], sides[many], strict=True)]
    cpu = [a.cpu_us / b.cpu_us for a, b in zip(sides[1], sides[many], strict=True)]
    medians = {colours: medians_of(samples) for colours, samples in sides.items()}
    figures = {
        "ratio": round(statistics.median(ratios), 3),
        "ratio_lowest": round(min(ratios), 3),
        "ratio_highest": round(max(ratios), 3),
        "ratio_by_cpu": round(statistics.median(cpu), 3),
        "target": TARGET_RATIO,
    }
    if as_json:
        print(json.dumps({**figures, "sides": {str(colours): side for colours, side in medians.items()}}))
        return
    print(f"{'colours':<10}{'requests/s':>14}{'p99 ms':>10}{'CPU us':>10}")
    for colours, side in medians.items():
        print(
            f"{colours:<10}"
            + "".join(f"{value:>{width}}" for value, width in zip(side.values(), (14, 10, 10), strict=True))
        )
    for name, value in figures.items():
        print(f"{name:<16}{value}")


def medians_of(samples: list[Sample]) -> dict[str, float]:
    """Medians over the rounds of one side."""
    return {
        "requests_per_second": round(statistics.median(each.requests_per_second for each in samples)),
        "p99_ms": round(statistics.median(each.p99_ms for each in samples), 2),
        "cpu_us_per_request": round(statistics.median(each.cpu_us for each in samples), 1),
    }


if __name__ == "__main__":
    main()
