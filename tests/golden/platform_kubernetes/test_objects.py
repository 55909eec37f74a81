"""What a team's manifests become, word by word.

After a change on purpose: `python -m tests.golden.platform_kubernetes.test_objects`, and read the difference.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.adapters.platform_kubernetes.layout import Layout
from delivery.adapters.platform_kubernetes.objects import plan_workload
from delivery.adapters.platform_kubernetes.previews import guards, namespace_object
from delivery.manifests import split_manifests
from delivery.workloads import WorkloadKey, WorkloadSpec

HERE = Path(__file__).parent
ARTIFACT = "sha256:aaaa"
BASELINE = WorkloadKey("bookshop", "reviews", "", "ab12cd34ef56")
PREVIEW = WorkloadKey("bookshop", "reviews", "alice", "ab12cd34ef56")
REGISTRY = Layout(repository="registry.example.org/team/", pull_secret="pull")

CASES: Mapping[str, tuple[WorkloadKey, Layout, int | None]] = {
    "baseline": (BASELINE, REGISTRY, None),
    "preview": (PREVIEW, Layout(), None),
    "own-namespace": (PREVIEW, Layout(namespace="apps-{project}", own_previews=True, allowed=("metrics",)), 2),
    "asleep": (PREVIEW, Layout(), 0),
}


def team() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((HERE / "team.yaml").read_text()))


def made(case: str) -> str:
    key, layout, replicas = CASES[case]
    image = "colorlane.local/bookshop/reviews@sha256:aaaa"
    manifests = split_manifests(team(), {"reviews": image}).by_service["reviews"]
    plan = plan_workload(WorkloadSpec(key, 7, ARTIFACT, manifests, replicas), layout)
    objects = [namespace_object(key, layout), *guards(key, layout), plan.deployment, *plan.owned, *plan.shared]
    plain = [copy.deepcopy(each) for each in objects]  # no anchors
    return yaml.dump_all(plain, sort_keys=False, width=120)


@pytest.mark.parametrize("case", CASES)
def test_objects(case: str) -> None:
    assert made(case) == (HERE / f"{case}.yaml").read_text()


def test_the_manifests_given_are_not_changed() -> None:
    manifests = team()
    plan_workload(WorkloadSpec(PREVIEW, 7, ARTIFACT, manifests, 4), REGISTRY)
    assert manifests == team()


if __name__ == "__main__":
    for name in CASES:
        (HERE / f"{name}.yaml").write_text(made(name))
