"""Rules for applications that share one network: each group of processes (by its id) has its own sidecar. Pure.

A process is known by its group, so it keeps its user and what that may read. Nobody else's packets are touched, and
inbound nothing is captured: on one machine every caller knows the sidecar's port. Neighbours: nftables, and whoever
runs sidecars beside processes (delivery's local platform).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mesh.capture.nftables import PRIORITY


@dataclass(frozen=True, order=True)
class Member:
    """An application: the group it runs as, and where its sidecar takes connections and look-ups."""

    group: int
    outbound: int
    dns: int


def table_ruleset(table: str, members: Collection[Member], *, ipv6: bool) -> str:
    """Return a file for `nft -f` that replaces the whole of `inet <table>`; without members nothing of it is left."""
    head = [f"table inet {table}", f"delete table inet {table}"]
    if not members:
        return "\n".join([*head, ""])
    chain = [
        f"\t\ttype nat hook output priority {PRIORITY}; policy accept;",
        *([] if ipv6 else ["\t\tmeta nfproto ipv6 return"]),
        f"\t\tudp dport 53 redirect to :meta skgid map {{ {_map(members, 'dns')} }}",
        '\t\toifname "lo" return',
        "\t\ttcp dport 53 return",
        f"\t\tmeta l4proto tcp redirect to :meta skgid map {{ {_map(members, 'outbound')} }}",
    ]
    return "\n".join([*head, f"table inet {table} {{", "\tchain outbound {", *chain, "\t}", "}", ""])


def _map(members: Collection[Member], port: str) -> str:
    return ", ".join(f"{each.group} : {getattr(each, port)}" for each in sorted(members))
