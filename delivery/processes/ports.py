"""TCP ports on loopback: which are free, who holds one, and a pool that hands each out once.

Neighbours: platform_local.agent (ports of replicas), embedded (ports of the stack).
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable

import psutil

LOOPBACK = "127.0.0.1"
# Below the kernel's default range for outgoing connections (32768..60999), so that none of those takes ours.
POOL_LOW, POOL_HIGH = 20000, 32000


class NoFreePort(OSError):
    """Every port of the range is taken."""


def port_is_free(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether a server could listen there now (connections in TIME_WAIT do not count)."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def port_holder(port: int) -> str:
    """Return "pid 123 (nginx)" for whoever listens on the port, "another process" when that cannot be seen."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return "another process"
    for connection in connections:
        address = connection.laddr
        if connection.status == psutil.CONN_LISTEN and address and address.port == port and connection.pid:
            return f"pid {connection.pid} ({_process_name(connection.pid)})"
    return "another process"


def listening_ports(pids: Iterable[int]) -> set[int]:
    """Return the TCP ports on which any of these processes listens."""
    found: set[int] = set()
    for pid in pids:
        try:
            connections = psutil.Process(pid).net_connections(kind="tcp")
        except psutil.Error:
            continue
        found |= {c.laddr.port for c in connections if c.laddr and c.status == psutil.CONN_LISTEN}
    return found


class PortPool:
    """Hands out ports of a range, each once until it is given back, none that another program holds.

    Pools of several processes on one machine do not know each other: each begins at a place of its own, and a
    port that was taken between the hand-out and its use shows when the program starts.
    """

    def __init__(self, low: int = POOL_LOW, high: int = POOL_HIGH, *, start: int | None = None) -> None:
        self._low, self._high = low, high
        self._next = low + (int.from_bytes(os.urandom(4)) if start is None else start) % (high - low)
        self._taken: set[int] = set()

    def take(self) -> int:
        """Return a free port. Raises NoFreePort."""
        for _ in range(self._high - self._low):
            port = self._next
            self._next = port + 1 if port + 1 < self._high else self._low
            if port not in self._taken and port_is_free(port):
                self._taken.add(port)
                return port
        raise NoFreePort(f"no free TCP port in {self._low}..{self._high - 1}")

    def reserve(self, ports: Iterable[int]) -> None:
        """Note ports that are in use from an earlier life."""
        self._taken.update(ports)

    def give_back(self, ports: Iterable[int]) -> None:
        """Return ports to the pool."""
        self._taken.difference_update(ports)


def _process_name(pid: int) -> str:
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return "?"
