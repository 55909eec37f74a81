"""Options of capture: which connections are led to the sidecar, and which are left alone. Pure; read by both writers.

Whatever the sidecar itself sends is never captured: its user is how the kernel tells its packets from the
application's, so an application must not run as that user.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mesh.errors import Rejected
from mesh.model import pods

SIDECAR_PORTS: Final = f"{pods.ADMIN_PORT}-{pods.LAST_INBOUND_PORT}"
LAST_PORT: Final = 65535
LAST_ID: Final = 2**32 - 2

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, order=True)
class Range:
    """Numbers from `first` to `last`, both meant."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True)
class Options:
    """`outbound`, `inbound`, `dns`: the sidecar's ports; 0 leaves that direction, or look-ups, alone.

    `include_outbound_cidrs`: where given, only connections to these are captured. Exclusions win over inclusions.
    """

    proxy_uid: int = pods.PROXY_UID
    proxy_gid: int | None = None
    outbound: int = pods.CAPTURED_OUTBOUND_PORT
    inbound: int = pods.CAPTURED_INBOUND_PORT
    dns: int = 0
    exclude_inbound_ports: tuple[Range, ...] = (Range(pods.ADMIN_PORT, pods.LAST_INBOUND_PORT),)
    exclude_outbound_ports: tuple[Range, ...] = ()
    exclude_outbound_cidrs: tuple[Network, ...] = ()
    include_outbound_cidrs: tuple[Network, ...] = ()
    exclude_uids: tuple[Range, ...] = ()
    exclude_gids: tuple[Range, ...] = ()

    @property
    def spared_uids(self) -> tuple[Range, ...]:
        """Users whose packets are left alone, the sidecar's first."""
        return joined((Range(self.proxy_uid, self.proxy_uid), *self.exclude_uids))

    @property
    def spared_gids(self) -> tuple[Range, ...]:
        """Groups whose packets are left alone."""
        own = () if self.proxy_gid is None else (Range(self.proxy_gid, self.proxy_gid),)
        return joined((*own, *self.exclude_gids))

    @property
    def spared_ports(self) -> tuple[Range, ...]:
        """Destination ports that are left alone; look-ups over TCP too, which the sidecar does not answer."""
        return joined((Range(53, 53), *self.exclude_outbound_ports))


def read_ranges(text: str, *, field: str, last: int = LAST_PORT) -> tuple[Range, ...]:
    """Read `80,443,15000-15199` into ranges: sorted, and joined where they touch. Raises `Rejected`."""
    return joined(_range(part.strip(), field, last) for part in text.split(",") if part.strip())


def read_networks(text: str, *, field: str) -> tuple[Network, ...]:
    """Read `10.0.0.0/8,fd00::/8` into networks: sorted, none inside another. Raises `Rejected`."""
    found: list[Network] = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        try:
            found.append(ipaddress.ip_network(part, strict=False))
        except ValueError as error:
            raise _refused(field, part, "write addresses like 10.0.0.0/8,192.0.2.7,fd00::/8") from error
    four = [each for each in found if isinstance(each, ipaddress.IPv4Network)]
    six = [each for each in found if isinstance(each, ipaddress.IPv6Network)]
    return (*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six))


def _range(text: str, field: str, last: int) -> Range:
    start, dash, end = text.partition("-")
    try:
        numbers = Range(int(start), int(end) if dash else int(start))
    except ValueError as error:
        raise _refused(field, text, "write numbers like 80,443,8000-8100") from error
    if not 0 <= numbers.first <= numbers.last <= last:
        raise _refused(field, text, f"numbers go from 0 to {last}, the smaller one first")
    return numbers


def joined(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return the same numbers in ranges that do not touch: sets of nftables refuse ranges that overlap."""
    found: list[Range] = []
    for each in sorted(ranges):
        if found and each.first <= found[-1].last + 1:
            found[-1] = Range(found[-1].first, max(found[-1].last, each.last))
        else:
            found.append(each)
    return tuple(found)


def _refused(field: str, value: str, remedy: str) -> Rejected:
    return Rejected(f"{field}: {value!r} is not usable", field=field, value=value, remedy=remedy)
