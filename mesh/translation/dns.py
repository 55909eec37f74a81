"""Look-ups: names of the mesh's services as virtual addresses, where the network has no DNS that knows them. Pure.

A virtual address belongs to nobody. A connection to it is captured, and the sidecar routes its request by `Host`; so
HTTP finds its service by any of them, and other TCP none. Look-ups of other names are handed to the resolvers that the
sidecar's own resolv.conf names; Envoy's filter does that for addresses (A, AAAA) only.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from mesh.model import pods
from mesh.protos import message, pack
from mesh.translation import naming
from mesh.translation.listeners import CACHED
from mesh.translation.resources import Resource

ROOM = 2**16 - 512  # numbers of the range; its first and last 256 stay free
FIRST = 256
TTL = {"seconds": 30}
FILTER = "envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig"
PENDING = 1024

Addresses = tuple[str, str]
"""The virtual IPv4 and IPv6 address of a name."""


def virtual_addresses(services: Iterable[str], namespace: str) -> Mapping[str, Addresses]:
    """Return the virtual addresses of services: always the same for a name, unless two want one number.

    Then the later in the alphabet takes the next that is free. Raises ValueError for more services than numbers.
    """
    names = sorted(set(services))
    if len(names) > ROOM:
        raise ValueError(f"{len(names)} services in {namespace}; there are {ROOM} virtual addresses")
    taken: dict[int, str] = {}
    for name in names:
        digest = hashlib.sha256(f"{name}.{namespace}".encode()).digest()
        number = int.from_bytes(digest[:4], "big") % ROOM
        while number in taken:
            number = (number + 1) % ROOM
        taken[number] = name
    return {name: _addresses(FIRST + number) for number, name in taken.items()}


@lru_cache(maxsize=CACHED)
def listeners(port: int, namespace: str, services: tuple[str, ...], ipv6: bool) -> list[Resource]:
    """Return the listeners that answer look-ups (UDP), on the loopback addresses that `redirect` leads to."""
    cares = message("envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig")()
    config = message(FILTER)(
        stat_prefix="dns",
        server_config={"inline_dns_table": _table(namespace, services)},
        client_config={
            "resolver_timeout": {"seconds": 5},
            "max_pending_lookups": PENDING,
            "typed_dns_resolver_config": {"name": "envoy.network.dns_resolver.cares", "typed_config": pack(cares)},
        },
    )
    doors = {naming.DNS_LISTENER: "127.0.0.1", **({f"{naming.DNS_LISTENER}|ipv6": "::1"} if ipv6 else {})}
    return [_listener(name, address, port, config) for name, address in doors.items()]


def _listener(name: str, address: str, port: int, config: Any) -> Resource:
    listener = message("envoy.config.listener.v3.Listener")(
        name=name,
        address={"socket_address": {"address": address, "port_value": port, "protocol": "UDP"}},
        listener_filters=[{"name": "envoy.filters.udp.dns_filter", "typed_config": pack(config)}],
    )
    return Resource.of(name, listener)


def _table(namespace: str, services: Iterable[str]) -> Any:
    """Both families always: Envoy says NXDOMAIN where it lacks one, and musl then has no address at all.

    Where there is no way for IPv6, resolvers sort those addresses last (RFC 6724, rule 1).
    """
    table = message("envoy.data.dns.v3.DnsTable")(external_retry_count=1)
    for service, addresses in sorted(virtual_addresses(services, namespace).items()):
        for name in naming.hosts(service, namespace):
            domain = table.virtual_domains.add(name=name, answer_ttl=TTL)
            domain.endpoint.address_list.address.extend(addresses)
    return table


def _addresses(number: int) -> Addresses:
    four, six = ipaddress.IPv4Network(pods.VIRTUAL_IPV4), ipaddress.IPv6Network(pods.VIRTUAL_IPV6)
    return str(four[number]), str(six[number])
