"""The quickstart's files fit together: the spec is valid, the manifests render, the application answers."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import yaml

from pipelines.specs import parse_spec
from tests.architecture.overlays import kubectl
from tests.docs import quickstart


def test_the_spec_names_what_the_page_lays_out() -> None:
    given = quickstart.files()
    spec = parse_spec(given["colorlane.yaml"])
    assert spec.entry in spec.services
    assert {f"services/{name}" for name in spec.services} == {
        str(Path(name).parent) for name in given if "app.py" in name
    }
    assert any(name.startswith(f"{spec.manifests}/") for name in given)


def test_the_manifests_render(tmp_path: Path) -> None:
    quickstart.write(tmp_path)
    done = subprocess.run([kubectl(), "kustomize", str(tmp_path / "k8s")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rendered = {(each["kind"], each["metadata"]["name"]) for each in yaml.safe_load_all(done.stdout)}
    assert rendered == {("Deployment", "web"), ("Service", "web")}


def test_the_application_is_python() -> None:
    assert ast.parse(quickstart.files()["services/web/app.py"])
