"""The fence against older runs: generations of Deployments, and tombstones of removed workloads.

A Deployment says the generation it was applied with; one that is gone leaves a tombstone in the ConfigMap
`colorlane-generations` of its project's namespace. Both change by compare-and-set only. docs/decisions/0015-fence.md
walks through every interleaving. Neighbours: applying, removing.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from delivery.adapters.platform_kubernetes.api import Api
from delivery.adapters.platform_kubernetes.layout import Layout
from delivery.adapters.platform_kubernetes.names import (
    MANAGED_BY,
    MANAGER,
    base_namespace,
    generation_of,
    identity,
    workload_name,
)
from delivery.adapters.platform_kubernetes.refusals import Refused
from delivery.errors import Conflict, Rejected, Transient
from delivery.workloads import WorkloadKey

LEDGER = "colorlane-generations"
KEPT = 7 * 86_400.0  # seconds that a tombstone is kept; no run is that late
MOST = 5_000  # tombstones in a ledger: far below the MiB that a ConfigMap may have
ATTEMPTS = 40
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.3

Object = Mapping[str, Any]


def turns(what: str) -> Iterator[int]:
    """Yield attempts of a compare-and-set, with growing pauses of random length. Raises Transient after the last."""
    pause = FIRST_PAUSE
    for attempt in range(ATTEMPTS):
        yield attempt
        time.sleep(random.uniform(0, pause))  # noqa: S311  spreads contenders
        pause = min(pause * 1.5, LONGEST_PAUSE)
    raise Transient(
        f"{what} changed {ATTEMPTS} times while it was being written; another program writes it all the time"
    )


def check_live(deployment: Object, key: WorkloadKey, generation: int) -> None:
    """Raise Conflict when the Deployment is of a newer run, Rejected when it is of another workload."""
    name = workload_name(key)
    labels = deployment["metadata"].get("labels") or {}
    if any(labels.get(label) != value for label, value in identity(key).items()):
        raise Rejected(
            f"Deployment/{name} exists and is not of this workload",
            field="manifests",
            value=name,
            remedy="delete it or rename it: Colorlane never takes over what it did not make",
        )
    if generation_of(deployment) > generation:
        raise older(key, generation, generation_of(deployment))


def older(key: WorkloadKey, generation: int, newest: int) -> Conflict:
    """Return the refusal of an older run."""
    return Conflict(
        f"generation {generation} of {workload_name(key)} is not newer than {newest}, the newest seen",
        field="generation",
        value=generation,
        remedy="nothing to do: a newer run has taken over",
    )


class Ledger:
    """The tombstones of a project."""

    def __init__(self, api: Api, layout: Layout, now: Callable[[], float] = time.time) -> None:
        self._api, self._layout, self._now = api, layout, now

    def check(self, key: WorkloadKey, generation: int) -> None:
        """Raise Conflict when the workload was removed at this generation or a newer one."""
        found = self._api.get("ConfigMap", base_namespace(key.project, self._layout), LEDGER)
        removed = _generation((found or {}).get("data") or {}, key)
        if removed >= generation:
            raise older(key, generation, removed)

    def bury(self, key: WorkloadKey, generation: int) -> None:
        """Note the removal. Raises Conflict when a newer one is noted."""
        namespace = base_namespace(key.project, self._layout)
        for _ in turns(f"ConfigMap/{LEDGER} in {namespace}"):
            found = self._api.get("ConfigMap", namespace, LEDGER)
            data = dict((found or {}).get("data") or {})
            noted = _generation(data, key)
            if noted > generation:
                raise older(key, generation, noted)
            if noted == generation:
                return
            stone = json.dumps({"generation": generation, "at": int(self._now())})
            body = {**(found or _empty(namespace)), "data": {**self._fresh(data), _entry(key): stone}}
            try:
                self._api.replace(body) if found else self._api.create(body)
                return
            except Refused as refused:
                if not refused.moved:
                    raise

    def _fresh(self, data: Mapping[str, str]) -> dict[str, str]:
        """Return the stones without those that nobody can be late for any more."""
        dated = sorted(((_at(text), entry) for entry, text in data.items()), reverse=True)
        return {entry: data[entry] for at, entry in dated[: MOST - 1] if self._now() - at < KEPT}


def _empty(namespace: str) -> dict[str, Any]:
    metadata = {"name": LEDGER, "namespace": namespace, "labels": {MANAGED_BY: MANAGER}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def _entry(key: WorkloadKey) -> str:
    return ".".join((key.project, key.service, key.color or "-", key.version))


def _generation(data: Mapping[str, str], key: WorkloadKey) -> int:
    text = data.get(_entry(key))
    return int(json.loads(text)["generation"]) if text else 0


def _at(text: str) -> float:
    try:
        return float(json.loads(text)["at"])
    except (ValueError, KeyError, TypeError):
        return 0.0
