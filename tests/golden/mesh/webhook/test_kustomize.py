"""The configuration that an installation applies is the one that the mesh's code describes and explains."""

from __future__ import annotations

from pathlib import Path

import yaml

from mesh.webhook import Endpoint, webhook_configuration

FILE = Path(__file__).parents[4] / "kustomize" / "components" / "sidecar" / "webhook.yaml"


def test_the_installed_configuration_is_ours() -> None:
    installed, ours = yaml.safe_load(FILE.read_text()), webhook_configuration(Endpoint())
    assert installed["webhooks"] == ours["webhooks"]
    assert installed["metadata"]["name"] == ours["metadata"]["name"]
