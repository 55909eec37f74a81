"""Names of the telemetry that proxies send: one place for who writes it (access), ships it (sidecar) and reads it.

Every attempt of a request counts once, on the caller's side, against the endpoint that was tried.
"""

from __future__ import annotations

from typing import Final

SCOPE: Final = "colorlane"
REQUESTS: Final = "colorlane.requests"
LATENCY: Final = "colorlane.latency"

METADATA: Final = "colorlane"
"""Key of the endpoint metadata (EDS `filter_metadata`) that says who an endpoint is."""

IDENTITY: Final = ("namespace", "service", "color", "version")
"""Tags that name the endpoint, in this order; `color` of the baseline is `-`."""

CODE: Final = "code"
FLAGS: Final = "flags"

BASELINE: Final = "-"
"""How the empty colour of the baseline is written where an empty value is not possible."""

LATENCY_BOUNDS_US: Final = (
    *(step * 10**power for power in range(2, 6) for step in (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)),
    10_000_000,
    30_000_000,
    60_000_000,
)
"""Upper bounds of the latency histogram in microseconds: ten in each decade from 1 ms to 10 s, then up to 60 s."""

NODE_HEADER: Final = "x-colorlane-node"
"""gRPC metadata of an export that carries the sender's Envoy node.id."""
