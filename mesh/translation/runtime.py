"""RTDS: the weights of running rollouts. A step of a canary is these 100 bytes, whatever the size of the mesh.

The layer is a lease: it has a time to live, and the routes' own weights are "all to stable". A control plane that stays
away longer than that gives the traffic back to the stable release (xds_protocol, TTL).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from mesh.protos import message
from mesh.translation.naming import RUNTIME_LAYER
from mesh.translation.resources import Resource

LEASE_SECONDS = 600.0
RENEWALS = 4
"""So often the layer is sent within a lease: three that are lost do no harm."""

Weights = Mapping[str, int]
"""Runtime key -> percent."""


def layer(weights: Weights, lease: float = LEASE_SECONDS) -> Resource:
    """Return the runtime layer with the weights, which hold for `lease` seconds."""
    return _layer(tuple(sorted(weights.items())), lease)


@lru_cache(maxsize=1000)
def _layer(weights: tuple[tuple[str, int], ...], lease: float) -> Resource:
    content = message("envoy.service.runtime.v3.Runtime")(name=RUNTIME_LAYER)
    content.layer.SetInParent()
    for key, percent in weights:
        content.layer.fields[key].number_value = percent
    return Resource.of(RUNTIME_LAYER, content, ttl=lease)
