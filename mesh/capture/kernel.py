"""Kernel: loads the rules by `nft` or `iptables-restore`, and makes sure that they do what they say. All I/O is here.

Neighbours: nftables and iptables (the text), __main__ (the command line).
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final

from mesh.capture import iptables, nftables
from mesh.capture.options import Options
from mesh.errors import Rejected, Transient

NET_ADMIN: Final = 12  # number of the capability, linux/capability.h
SECONDS: Final = 10.0
PROBE_SECONDS: Final = 1.0
PROBED: Final = ("240.240.255.254", 9)  # of the range of virtual addresses; no packet leaves if the rules work
SO_ORIGINAL_DST: Final = 80  # linux/netfilter_ipv4.h
BUSY: Final = 4  # iptables' exit code for a lock that another process holds


class Backend(StrEnum):
    """By which program rules are loaded."""

    NFT = "nft"
    IPTABLES = "iptables"


def apply(options: Options, wanted: Backend | None = None) -> Backend:
    """Put the rules in force, in place of those that are there, and return by what. Safe to repeat.

    Without `wanted`: nftables, else iptables. Raises `Rejected` where that cannot be, with what to grant or install.
    """
    require_net_admin()
    backends = [wanted] if wanted else list(Backend)
    refusals = []
    for backend in backends:
        try:
            _load(options, backend)
        except Rejected as refusal:
            refusals.append(f"{refusal.message} ({refusal.remedy})")
            continue
        _verify(options, backend)
        return backend
    raise Rejected(
        "; ".join(refusals),
        field="--backend",
        value=",".join(backends),
        remedy="or leave packets alone: annotation colorlane.dev/capture: proxy",
    )


def clean() -> None:
    """Take all rules of capture away, whatever loaded them. Safe to repeat. Raises `Rejected` without the right to."""
    require_net_admin()
    if shutil.which("nft"):
        load(nftables.removal())
    for family, restore in _families():
        if text := iptables.removal(_saved(family)):
            _run(restore, "--noflush", stdin=text)


def show() -> str:
    """Return the rules of capture that are in force; empty for none."""
    require_net_admin()
    found = ""
    if shutil.which("nft"):
        found = _text(_try("nft", "list", "table", *nftables.TABLE.split()))
    saved = (line for family, _ in _families() for line in _saved(family).splitlines() if "COLORLANE_" in line)
    return found + "".join(f"{line}\n" for line in saved)


def load(ruleset: str) -> None:
    """Load a file of rules by nft, as one transaction. Raises `Rejected` with what nft says."""
    _run("nft", "-f", "-", stdin=ruleset)


def is_permitted() -> bool:
    """Whether this process may change rules in its network namespace."""
    status = Path("/proc/self/status")
    if not status.exists():
        return False
    effective = next(line for line in status.read_text().splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> NET_ADMIN & 1)


def require_net_admin() -> None:
    """Raise `Rejected`, with what to grant, unless this process may change rules in its network namespace."""
    if sys.platform != "linux":
        raise Rejected("capture needs Linux", remedy='use the sidecar as an HTTP proxy (capture mode "proxy")')
    if not is_permitted():
        raise Rejected(
            "capture may not change the rules of this network: CAP_NET_ADMIN is missing",
            remedy="grant it to the init container (securityContext: runAsUser: 0, capabilities: {add: [NET_ADMIN]}),"
            " or leave packets alone: annotation colorlane.dev/capture: proxy",
        )


def _load(options: Options, backend: Backend) -> None:
    if backend is Backend.NFT:
        load(nftables.ruleset(options))
        return
    if not shutil.which("iptables-restore"):
        raise _missing("iptables-restore", "iptables")
    for family, restore in _families():
        _run(restore, "--noflush", stdin=iptables.ruleset(options, family, _saved(family)))


def _families() -> Iterator[tuple[iptables.Family, str]]:
    """Families of this network whose tools are there, with the tool that loads rules."""
    if shutil.which("iptables-restore"):
        yield 4, "iptables-restore"
        if Path("/proc/net/if_inet6").exists() and shutil.which("ip6tables-restore"):
            yield 6, "ip6tables-restore"


def _saved(family: iptables.Family) -> str:
    return _text(_try("iptables-save" if family == 4 else "ip6tables-save", "-t", "nat"))


def _verify(options: Options, backend: Backend) -> None:
    """Raise `Rejected` unless the rules are in force: some kernels take them, and do nothing."""
    redirect = "redirect to :" if backend is Backend.NFT else "--to-ports "
    rules = show().split("\n")
    for port in filter(None, (options.outbound, options.inbound, options.dns)):
        if not any(line.endswith(f"{redirect}{port}") for line in rules):
            raise Rejected(f"{backend} took the rules, but none for port {port} is in force", remedy="try --backend")
    if options.outbound and not options.include_outbound_cidrs and _redirects(options.outbound) is False:
        clean()
        raise Rejected(
            f"{backend} took the rules, but a connection was not led to port {options.outbound}",
            remedy="this kernel (a sandbox?) does not redirect packets: annotation colorlane.dev/capture: proxy",
        )


def _redirects(port: int) -> bool | None:
    """Whether a connection to elsewhere arrives at `port` with its destination kept; None where that cannot be tried.

    It cannot where the sidecar listens already, where this network has no way out, or where this user is spared.
    """
    with socket.socket() as door, socket.socket() as caller:
        try:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind(("127.0.0.1", port))
            door.listen()
        except OSError:
            return None
        door.settimeout(PROBE_SECONDS)
        caller.settimeout(PROBE_SECONDS)
        try:
            caller.connect(PROBED)
            accepted, _ = door.accept()
        except TimeoutError:
            return False
        except OSError:
            return None
        with accepted:
            kept = accepted.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
            return socket.inet_ntoa(kept[4:8]) == PROBED[0]


def _run(program: str, *arguments: str, stdin: str) -> None:
    """Run to its end. Raises `Rejected` with what the program said."""
    done = _try(program, *arguments, stdin=stdin)
    if done is None:
        raise _missing(program, "nftables" if program == "nft" else "iptables")
    if done.returncode == BUSY and program != "nft":
        raise Transient(f"{program}: another program holds the lock of the rules")
    if done.returncode:
        words = " ".join(done.stderr.split())[:500]
        raise Rejected(f"{program} failed: {words}", remedy="the kernel needs NAT: modules nft_chain_nat, nft_redir")


def _try(program: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str] | None:
    """Run a program with text; None where it is not installed. Raises `Transient` when it does not end."""
    path = shutil.which(program)
    if path is None:
        return None
    try:
        return subprocess.run([path, *arguments], input=stdin, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise Transient(f"{program} did not end within {SECONDS:.0f} s") from error


def _text(done: subprocess.CompletedProcess[str] | None) -> str:
    return done.stdout if done and done.returncode == 0 else ""


def _missing(program: str, package: str) -> Rejected:
    return Rejected(f"{program} is not installed", remedy=f"add the package {package} to the image")
