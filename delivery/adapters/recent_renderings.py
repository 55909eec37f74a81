"""Recent renderings: kustomize takes a third of a second, so it runs during the builds, with stand-in digests.

An image's digest is put into the manifests as it is, so a rendering with stand-ins becomes the real one by replacing
them. Neighbours: builds_pipelines, render_kustomize.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from delivery.releases import Manifest

Rendered = Mapping[str, Sequence[Manifest]]
KEPT = 32


class RecentRenderings:
    """Keeps the newest few in memory; safe to share between threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], Rendered] = OrderedDict()
        self._lock = threading.Lock()

    def render(
        self, source: tuple[str, ...], artifacts: Mapping[str, str], render: Callable[[Mapping[str, str]], Rendered]
    ) -> Rendered:
        """Return `render(artifacts)`; it is called, with stand-ins, only for a source and services not seen lately."""
        key = (*source, *sorted(artifacts))
        stand_ins = {service: _stand_in(service) for service in artifacts}
        with self._lock:
            found = self._kept.get(key)
        if found is None:
            found = render(stand_ins)
            with self._lock:
                self._kept[key] = found
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        digests = {stand_ins[service]: artifact for service, artifact in artifacts.items()}
        return {service: tuple(_filled(each, digests) for each in manifests) for service, manifests in found.items()}


def _stand_in(service: str) -> str:
    return f"sha256:{hashlib.sha256(f'stand-in for {service}'.encode()).hexdigest()}"


def _filled(value: Any, digests: Mapping[str, str]) -> Any:
    """Replace stand-ins wherever they stand in texts."""
    if isinstance(value, Mapping):
        return {key: _filled(each, digests) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(each, digests) for each in value]
    if isinstance(value, str) and "sha256:" in value:
        for stand_in, digest in digests.items():
            value = value.replace(stand_in, digest)
    return value
