"""Replicas: the mesh processes that serve one fleet of proxies, as one of them sees the others. Pure.

Neighbours: sources.replicas (the roll is kept in Redis), serving.fleet (asks the others), telemetry (leader counts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LEASE_SECONDS = 3.0
"""A replica that has not said anything for so long is gone."""

GRACE_SECONDS = 10.0
"""A proxy of a replica that is gone is waited for so long; it tries again each second at the latest."""


@dataclass(frozen=True)
class Roll:
    """`live`: id -> base URL of the other replicas. `owed`: proxies (id -> namespace, "" for a gateway) of replicas
    that went a moment ago; they may be on their way to another. `gateways`: id -> seconds since any replica had it.
    `leader`: the replica that counts telemetry, "" while there is none; `term` rises when another takes the lead."""

    live: Mapping[str, str] = field(default_factory=dict)
    owed: Mapping[str, str] = field(default_factory=dict)
    gateways: Mapping[str, float] = field(default_factory=dict)
    leader: str = ""
    term: int = 0
