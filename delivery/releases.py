"""Release: service + artifact + revision, what can be deployed; immutable. Pure; neighbours: rollouts, environments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Release:
    """`version` is content: equal artifact and equal manifests give an equal version, whatever the commit.

    `artifact` is a digest `sha256:...`; `manifests` are the rendered Kubernetes objects of this service
    (its Deployment, Service, ConfigMaps) without any colour; `revision` the commit that first made it.
    """

    id: str
    project: str
    service: str
    version: str
    artifact: str
    revision: str
    ref: str
    run: str
    manifests: Sequence[Manifest] = field(default_factory=tuple)
    created_at: float = 0.0
    quarantined: str = ""  # reason, when a gate rolled this release back
    row_version: int = 0


def release_version(artifact: str, manifests: Sequence[Manifest]) -> str:
    """Return the 12 hex digits that name what runs: the hash of artifact digest and manifests."""
    canonical = json.dumps([artifact, list(manifests)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
