"""What the sample promises: services that know no mesh, knobs that can be edited, a canary with an approval."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from pipelines.specs import Analysis, Pause, SetWeight, parse_spec

SAMPLE = Path(__file__).parents[3] / "samples" / "bookshop"
SPEC = parse_spec((SAMPLE / "colorlane.yaml").read_bytes())
SOURCES = sorted(path for path in SAMPLE.rglob("*") if path.suffix in {".py", ".mjs"})


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SAMPLE)))
def test_no_service_knows_the_mesh(path: Path) -> None:
    assert not re.search(r"colorlane|envoy|x-color|sidecar", path.read_text(), re.IGNORECASE)


@pytest.mark.parametrize("service", SPEC.services)
def test_each_service_has_the_files_that_the_demo_edits(service: str) -> None:
    home = SAMPLE / SPEC.services[service].path
    assert (home / "version.txt").read_text() == "v1\n"
    knobs = json.loads((home / "behaviour.json").read_text())
    assert (knobs["error_rate"], knobs["delay_ms"]) == (0.0, 0)
    assert knobs["text"]


@pytest.mark.parametrize("service", SPEC.services)
def test_each_service_has_plain_manifests(service: str) -> None:
    objects = {item["kind"]: item for item in yaml.safe_load_all((SAMPLE / "k8s" / f"{service}.yaml").read_text())}
    assert objects["Service"]["spec"]["ports"] == [{"name": "http", "port": 9080, "targetPort": "http"}]
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == service
    assert {"readinessProbe", "livenessProbe", "resources"} <= container.keys()
    assert pod["terminationGracePeriodSeconds"] > 10  # the servers' own grace


def test_production_is_a_canary_with_analysis_and_approval() -> None:
    assert SPEC.environments["production"].strategy == "canary"
    steps = SPEC.strategies["canary"].steps
    assert [step.percent for step in steps if isinstance(step, SetWeight)] == [10, 50, 100]
    assert isinstance(steps[1], Analysis)
    assert Pause(None) in steps
    assert SPEC.strategies[SPEC.environments["preview"].strategy].steps == ()
