"""Rules for iptables-restore, for kernels or images without nftables: the same as `nftables`, once a family. Pure.

Ours stand in chains of their own, which one transaction empties and fills (`--noflush` leaves the rest of the table);
the jumps to them are added only where they are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

from mesh.capture.options import Network, Options, Range

Family = Literal[4, 6]

OUTBOUND: Final = "COLORLANE_OUTBOUND"
INBOUND: Final = "COLORLANE_INBOUND"
JUMPS: Final = (f"OUTPUT -j {OUTBOUND}", f"PREROUTING -j {INBOUND}")


def ruleset(options: Options, family: Family, present: str = "") -> str:
    """Return a file for `iptables-restore --noflush` (family 4) or `ip6tables-restore --noflush` (6).

    `present` is what `iptables-save -t nat` says now: a jump that stands there is not added again.
    """
    lines = ["*nat", f":{OUTBOUND} - [0:0]", f":{INBOUND} - [0:0]", *_outbound(options, family), *_inbound(options)]
    lines += [f"-A {jump}" for jump in JUMPS if f"-A {jump}" not in present.splitlines()]
    return "\n".join([*lines, "COMMIT", ""])


def removal(present: str) -> str:
    """Return a file for `iptables-restore --noflush` that takes our chains away; empty where there are none."""
    stated = present.splitlines()
    ours = [chain for chain in (OUTBOUND, INBOUND) if any(line.startswith(f":{chain} ") for line in stated)]
    if not ours:
        return ""
    jumps = [f"-D {jump}" for jump in JUMPS for line in stated if line == f"-A {jump}"]
    emptied = [f":{chain} - [0:0]" for chain in ours]
    return "\n".join(["*nat", *emptied, *jumps, *(f"-X {chain}" for chain in ours), "COMMIT", ""])


def _outbound(options: Options, family: Family) -> Iterator[str]:
    rule = f"-A {OUTBOUND}"
    yield from (f"{rule} -m owner --uid-owner {each} -j RETURN" for each in options.spared_uids)
    yield from (f"{rule} -m owner --gid-owner {each} -j RETURN" for each in options.spared_gids)
    yield from (f"{rule} -d {each} -j RETURN" for each in _of(family, options.exclude_outbound_cidrs))
    if options.dns:
        yield f"{rule} -p udp -m udp --dport 53 -j REDIRECT --to-ports {options.dns}"
    if not options.outbound:
        return
    yield f"{rule} -o lo -j RETURN"
    yield from _left_alone(rule, options.spared_ports)
    redirect = f"-p tcp -j REDIRECT --to-ports {options.outbound}"
    if options.include_outbound_cidrs:
        yield from (f"{rule} -d {each} {redirect}" for each in _of(family, options.include_outbound_cidrs))
    else:
        yield f"{rule} {redirect}"


def _inbound(options: Options) -> Iterator[str]:
    if options.inbound:
        yield f"-A {INBOUND} -i lo -j RETURN"
        yield from _left_alone(f"-A {INBOUND}", options.exclude_inbound_ports)
        yield f"-A {INBOUND} -p tcp -j REDIRECT --to-ports {options.inbound}"


def _left_alone(rule: str, ports: Sequence[Range]) -> Iterator[str]:
    for each in ports:
        written = str(each).replace("-", ":")
        yield f"{rule} -p tcp -m tcp --dport {written} -j RETURN"


def _of(family: Family, networks: Iterable[Network]) -> list[Network]:
    return [each for each in networks if each.version == family]
