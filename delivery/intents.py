"""Intent: what delivery asks of the mesh for one service in one environment. Pure.

Neighbours: rollouts, ports.traffic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Intent:
    """Where the lane's traffic for one service goes: version -> percent, summing to 100.

    `stable` is always routable and takes the traffic of a version that has died.
    """

    project: str
    service: str
    color: str
    generation: int
    stable: str
    weights: Mapping[str, int]


@dataclass(frozen=True)
class TrafficState:
    """`generation`: newest intent the mesh holds (0: none). `programmed`: every relevant proxy ACKed it.

    `withdrawn`: the newest intent took the service out of the lane, or there never was one.
    """

    generation: int
    programmed: bool
    waiting_on: tuple[str, ...] = ()  # "gateway/main: not connected", "bookshop/...: NACK: <Envoy's text>"
    withdrawn: bool = False
