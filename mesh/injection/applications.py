"""What injection adds to the application's own containers: never in place of what a team wrote. Neighbour: pod."""

from __future__ import annotations

from typing import Any

from mesh.injection.options import Json, Mode, Options
from mesh.model.pods import PROXY_PORT

DEFAULT_GRACE_SECONDS = 30
_NOT_PROXIED = "localhost,127.0.0.1,::1"
# Pairs in both spellings, since programs read one or the other.
_PAIRS = (("HTTP_PROXY", "http_proxy", f"http://127.0.0.1:{PROXY_PORT}"), ("NO_PROXY", "no_proxy", _NOT_PROXIED))


def with_proxy(container: Json, options: Options) -> dict[str, Any]:
    """Return a container that reaches its sidecar as an HTTP proxy, in that mode."""
    changed = dict(container)
    if options.mode is not Mode.PROXY:
        return changed
    env = list(container.get("env") or [])
    names = {each.get("name") for each in env}
    added = [
        {"name": name, "value": value}
        for upper, lower, value in _PAIRS
        if not names & {upper, lower}
        for name in (upper, lower)
    ]
    if "NODE_USE_ENV_PROXY" not in names:  # Node >= 24 then honours the others
        added.append({"name": "NODE_USE_ENV_PROXY", "value": "1"})
    if added:
        changed["env"] = env + added
    return changed


def with_drain(container: Json, seconds: int) -> dict[str, Any]:
    """Return a container that goes on serving for `seconds` after its pod is told to end, unless it has a hook."""
    changed = dict(container)
    lifecycle = container.get("lifecycle") or {}
    if seconds and not lifecycle.get("preStop"):
        changed["lifecycle"] = {**lifecycle, "preStop": {"sleep": {"seconds": seconds}}}
    return changed


def drain_seconds(spec: Json, options: Options) -> int:
    """Return how long: at most half of the pod's grace, so that the application has the rest; 0 for pods that end."""
    if not options.native_sleep or spec.get("restartPolicy", "Always") != "Always":
        return 0
    grace = spec.get("terminationGracePeriodSeconds")
    return min(options.drain_seconds, (DEFAULT_GRACE_SECONDS if grace is None else int(grace)) // 2)
