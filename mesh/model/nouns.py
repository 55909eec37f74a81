"""The nouns of the mesh: namespaces, environments, intents, endpoints. Frozen; neighbours: world, translation, sources.

The colour of the baseline is "" here, and `-` wherever an empty word is not possible (paths, ids, cluster names).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

BASELINE: Final = ""
WRITTEN_BASELINE: Final = "-"


def written(color: str) -> str:
    """Return the colour as it stands in paths, ids and names."""
    return color or WRITTEN_BASELINE


def read_color(text: str) -> str:
    """Inverse of `written`."""
    return BASELINE if text == WRITTEN_BASELINE else text


class Fallback(StrEnum):
    """What happens to a coloured request where its lane cannot answer."""

    FALLBACK = "fallback"  # the base lane answers, then the baseline; no request fails
    STRICT = "strict"  # a readable 503


@dataclass(frozen=True)
class Namespace:
    """A project at the gateway: `domain` and its sub-domains lead to the entry service. No domain: not exposed.

    `source`: the object of a cluster that says so; "" where it was asked for over the HTTP API.
    """

    name: str
    domain: str
    entry_service: str
    entry_port: int
    source: str = ""


@dataclass(frozen=True)
class Environment:
    """A colour that requests may carry. Its lane falls back to `base`, and from there to the baseline."""

    namespace: str
    color: str
    base: str = BASELINE
    fallback: Fallback = Fallback.FALLBACK


@dataclass(frozen=True, order=True)
class LaneKey:
    """One service in one environment: what an intent speaks about."""

    namespace: str
    service: str
    color: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service}/{written(self.color)}"


@dataclass(frozen=True)
class Intent:
    """Where a lane's traffic goes: version -> percent, summing to 100. `stable` is always routable.

    `withdrawn` remembers the generation of a deleted intent, so that a late older one is refused.
    """

    key: LaneKey
    generation: int
    stable: str
    weights: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    withdrawn: bool = False

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version the lane must be able to reach, the stable one first."""
        return (self.stable, *sorted(version for version in self.weights if version != self.stable))


class State(StrEnum):
    """Where an endpoint stands, as its node says."""

    STARTING = "starting"
    READY = "ready"  # takes traffic
    DRAINING = "draining"  # takes no new requests


@dataclass(frozen=True, order=True)
class Port:
    """One Service port of a workload: callers use `port`, the sidecar listens on `inbound`, the app on `target`."""

    name: str
    port: int
    inbound: int
    target: int
    protocol: str = "http"


@dataclass(frozen=True)
class Endpoint:
    """One replica with its sidecar; `id` is also the node.id of that Envoy. `node` registered it.

    `locality`: where it runs, `<region>/<zone>`, "" where that is not known. `managed`: intents say whether it takes
    traffic; a replica that is not takes some as soon as it is ready, unless there is an intent for its lane.
    """

    id: str
    node: str
    namespace: str
    service: str
    color: str
    version: str
    address: str
    ports: tuple[Port, ...]
    outbound: int
    state: State
    locality: str = ""
    managed: bool = True

    @property
    def key(self) -> LaneKey:
        """The lane the replica belongs to."""
        return LaneKey(self.namespace, self.service, self.color)
