"""A version is named by content: what runs, not which commit made it."""

from __future__ import annotations

import re

from delivery.releases import release_version

DEPLOYMENT = {"kind": "Deployment", "spec": {"replicas": 1}}
SERVICE = {"kind": "Service", "spec": {"ports": [{"port": 80}]}}


def test_a_version_is_twelve_hex_digits() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", release_version("sha256:a", [DEPLOYMENT]))


def test_the_order_of_keys_does_not_count() -> None:
    turned = {"spec": {"replicas": 1}, "kind": "Deployment"}
    assert release_version("sha256:a", [DEPLOYMENT]) == release_version("sha256:a", [turned])


def test_artifact_and_every_manifest_count() -> None:
    versions = {
        release_version("sha256:a", [DEPLOYMENT]),
        release_version("sha256:b", [DEPLOYMENT]),
        release_version("sha256:a", [DEPLOYMENT, SERVICE]),
        release_version("sha256:a", [{**DEPLOYMENT, "spec": {"replicas": 2}}]),
        release_version("sha256:a", []),
    }
    assert len(versions) == 5
