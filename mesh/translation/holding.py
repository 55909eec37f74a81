"""Holding: route tables for a proxy that has refused clusters. Pure; neighbours: views (makes the tables), serving.

A proxy that refuses a cluster must not be led to it, and must not wait with everything else either. So the targets that
it cannot reach are left out of their lanes. A lane whose stable target is out of reach stays as it was, or, where
there was none, is left out: its colour is answered for by the baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from mesh.model.lanes import Lane, ServiceLanes, Target
from mesh.model.nouns import BASELINE
from mesh.translation import naming
from mesh.translation.resources import Resource

Lanes = Mapping[str, Mapping[str, ServiceLanes]]
"""Namespace -> service -> its lanes."""


@dataclass(frozen=True)
class Ways:
    """What a route table was made of, and how to make it of other lanes."""

    lanes: Lanes
    make: Callable[[Lanes], Resource]


def held(lanes: Lanes, absent: Collection[str], before: Lanes) -> Lanes:
    """Return the lanes without what needs an absent cluster. `before` are those that the proxy follows."""
    return {
        namespace: {
            service: _held(namespace, plan, absent, before.get(namespace, {}).get(service))
            for service, plan in plans.items()
        }
        for namespace, plans in lanes.items()
    }


def _held(namespace: str, plan: ServiceLanes, absent: Collection[str], before: ServiceLanes | None) -> ServiceLanes:
    owned: dict[str, Lane] = {}
    for color, lane in plan.owned.items():
        reachable = tuple(each for each in lane.targets if not _needs(namespace, plan, each, absent))
        if reachable[:1] == lane.targets[:1]:
            owned[color] = lane if reachable == lane.targets else Lane(color, reachable)
        elif before is not None and color in before.owned:
            owned[color] = before.owned[color]
    selects = {color: owner for color, owner in plan.selects.items() if owner in owned and owner != BASELINE}
    return plan if owned == plan.owned else replace(plan, owned=owned, selects=selects)


def _needs(namespace: str, plan: ServiceLanes, target: Target, absent: Collection[str]) -> bool:
    """Whether the target's own clusters are among the absent; others in its chain may be, and are passed over."""
    return any(
        name in absent
        for port, _ in plan.ports
        for name in (
            naming.target_cluster(namespace, plan.service, port, target),
            naming.member_cluster(namespace, plan.service, port, target.chain[0]),
        )
    )
