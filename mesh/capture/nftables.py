"""Rules for nftables: one table for IPv4 and IPv6 that replaces its predecessor in one transaction. Pure.

A redirected connection keeps its first destination in the kernel's connection tracking (SO_ORIGINAL_DST), where the
sidecar reads it. In the output hook `redirect` leads to 127.0.0.1 or ::1, in prerouting to the address of the device
the packet came in by. Order matters: the first `return` ends the look.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network
from typing import Final

from mesh.capture.options import Network, Options, Range

TABLE: Final = "inet colorlane"
PRIORITY: Final = -100  # `dstnat`; the name is not allowed in the output hook by all versions of nft


def ruleset(options: Options) -> str:
    """Return a file for `nft -f`: all rules of capture, in place of those that are there."""
    chains = [*(_outbound(options) if options.outbound or options.dns else ()), *_inbound(options)]
    return "\n".join([f"table {TABLE}", f"delete table {TABLE}", f"table {TABLE} {{", *chains, "}", ""])


def removal() -> str:
    """Return a file for `nft -f` that takes all rules of capture away; no error where there are none."""
    return f"table {TABLE}\ndelete table {TABLE}\n"


def _outbound(options: Options) -> Iterator[str]:
    yield from ("\tchain outbound {", f"\t\ttype nat hook output priority {PRIORITY}; policy accept;")
    yield from _return("meta skuid", options.spared_uids)
    yield from _return("meta skgid", options.spared_gids)
    yield from _to(options.exclude_outbound_cidrs, "return")
    if options.dns:
        yield f"\t\tudp dport 53 redirect to :{options.dns}"
    if options.outbound:
        # A process that talks to its own pod, by loopback or by the pod's address, does not leave through the sidecar.
        yield '\t\toifname "lo" return'
        yield from _return("tcp dport", options.spared_ports)
        yield from _redirected(options)
    yield "\t}"


def _redirected(options: Options) -> Iterator[str]:
    redirect = f"meta l4proto tcp redirect to :{options.outbound}"
    if options.include_outbound_cidrs:
        yield from _to(options.include_outbound_cidrs, redirect)
    else:
        yield f"\t\t{redirect}"


def _inbound(options: Options) -> Iterator[str]:
    if options.inbound:
        yield from ("\tchain inbound {", f"\t\ttype nat hook prerouting priority {PRIORITY}; policy accept;")
        yield '\t\tiifname "lo" return'
        yield from _return("tcp dport", options.exclude_inbound_ports)
        yield from (f"\t\tmeta l4proto tcp redirect to :{options.inbound}", "\t}")


def _return(match: str, ranges: Sequence[Range]) -> Iterator[str]:
    if ranges:
        yield f"\t\t{match} {{ {', '.join(map(str, ranges))} }} return"


def _to(networks: Iterable[Network], verdict: str) -> Iterator[str]:
    four = [str(each) for each in networks if isinstance(each, IPv4Network)]
    six = [str(each) for each in networks if not isinstance(each, IPv4Network)]
    for family, found in (("ip", four), ("ip6", six)):
        if found:
            yield f"\t\t{family} daddr {{ {', '.join(found)} }} {verdict}"
