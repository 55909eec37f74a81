"""Network namespaces that stand for a node and its pods: veth pairs on a bridge, IPv4 and IPv6, an own resolv.conf.

Everything happens in namespaces of these tests: the machine's own network and rules are never touched. A thread enters
one by `inside()`; sockets and processes that it makes there belong to it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NODE4, NODE6 = "10.77.0.1", "fd77::1"
OUTSIDE4, OUTSIDE6 = "198.51.100.7", "2001:db8::7"  # a server that is not in the mesh (addresses for documentation)
CLONE_NEWNET = 0x40000000


def missing() -> str:
    """Why these tests cannot run here; empty if they can."""
    if os.geteuid() != 0:
        return "capture is tested in network namespaces, which needs root"
    tools = [tool for tool in ("ip", "nft", "setpriv") if not shutil.which(tool)]
    if tools:
        return f"capture is tested in network namespaces: install {', '.join(tools)} (iproute2, nftables, util-linux)"
    probe = subprocess.run(["unshare", "--net", "nft", "list", "ruleset"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "capture is tested in network namespaces, which this machine does not allow"


def ip(*arguments: str, namespace: str = "") -> None:
    """Run `ip`; a failure is an error with what it said."""
    inside = ("-n", namespace) if namespace else ()
    done = subprocess.run(["ip", *inside, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Let this thread be in the namespace."""
    with Path("/proc/thread-self/ns/net").open("rb") as before, Path(f"/run/netns/{namespace}").open("rb") as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(before.fileno())


def _enter(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@dataclass(frozen=True)
class Pod:
    """One network namespace with a way to the node."""

    namespace: str
    ipv4: str
    ipv6: str

    def command(self, *arguments: str, uid: int = 0) -> list[str]:
        """Return the command line that runs in the pod as a user."""
        who = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups") if uid else ()
        return ["ip", "netns", "exec", self.namespace, *who, *arguments]

    def run(self, *arguments: str, uid: int = 0) -> subprocess.CompletedProcess[str]:
        """Run to the end in the pod."""
        return subprocess.run(
            self.command(*arguments, uid=uid), capture_output=True, text=True, check=False, timeout=30
        )


@dataclass
class Network:
    """A node and its pods."""

    prefix: str
    pods: int = 0

    @property
    def node(self) -> str:
        return f"{self.prefix}-node"

    def add_pod(self) -> Pod:
        """A pod like one of Kubernetes: an address of each family, all else by the node."""
        self.pods += 1
        number = self.pods + 10
        pod = Pod(f"{self.prefix}-pod{self.pods}", f"10.77.0.{number}", f"fd77::{number}")
        resolv = Path(f"/etc/netns/{pod.namespace}/resolv.conf")
        resolv.parent.mkdir(parents=True, exist_ok=True)
        resolv.write_text(f"nameserver {NODE4}\noptions attempts:1 timeout:3\n")
        _make(pod.namespace)
        here, there = f"v{self.pods}", "eth0"
        ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", pod.namespace, namespace=self.node)
        ip("link", "set", here, "master", "br0", "up", namespace=self.node)
        ip("link", "set", there, "up", namespace=pod.namespace)
        for address in (f"{pod.ipv4}/24", f"{pod.ipv6}/64"):
            ip("addr", "add", address, "dev", there, *(["nodad"] if ":" in address else []), namespace=pod.namespace)
        ip("route", "add", "default", "via", NODE4, namespace=pod.namespace)
        ip("-6", "route", "add", "default", "via", NODE6, namespace=pod.namespace)
        return pod

    def delete(self) -> None:
        """Leave nothing behind: with the namespaces go their devices and rules."""
        for namespace in (self.node, *(f"{self.prefix}-pod{number + 1}" for number in range(self.pods))):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)
            shutil.rmtree(f"/etc/netns/{namespace}", ignore_errors=True)
        with contextlib.suppress(OSError):
            Path("/etc/netns").rmdir()


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """A node without pods yet; this thread is in it."""
    made = Network(f"clcap{os.getpid()}")
    try:
        _make(made.node)
        ip("link", "add", "br0", "type", "bridge", namespace=made.node)
        ip("link", "set", "br0", "up", namespace=made.node)
        for address, device in ((f"{NODE4}/24", "br0"), (f"{OUTSIDE4}/32", "lo")):
            ip("addr", "add", address, "dev", device, namespace=made.node)
        for address, device in ((f"{NODE6}/64", "br0"), (f"{OUTSIDE6}/128", "lo")):
            ip("addr", "add", address, "dev", device, "nodad", namespace=made.node)
        with inside(made.node):
            yield made
    finally:
        made.delete()


def _make(namespace: str) -> None:
    ip("netns", "add", namespace)
    ip("link", "set", "lo", "up", namespace=namespace)
