"""The objects of one workload, told apart and checked against each other. Pure. Neighbours: reading, podspec."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from delivery.adapters.platform_local.reading import Fields
from delivery.errors import Rejected

OTHER_WORKLOADS = frozenset(
    {"StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob", "Pod"}
)


@dataclass(frozen=True)
class Objects:
    """One Deployment, the Services that select its pods, and data by object name. `ignored`: kinds without meaning."""

    deployment: Fields
    services: tuple[Fields, ...]
    config: Mapping[str, Mapping[str, str]]
    secrets: Mapping[str, Mapping[str, str]]
    ignored: tuple[str, ...]


def sort_objects(manifests: Sequence[Mapping[str, Any]]) -> Objects:
    """Return the objects by their role. Raises Rejected for a missing or doubled Deployment and other workloads."""
    by_kind: dict[str, list[Fields]] = {}
    for body in manifests:
        kind, name = str(body.get("kind", "")), str((body.get("metadata") or {}).get("name", ""))
        if kind in OTHER_WORKLOADS:
            raise Rejected(
                f"{kind}/{name}: the local platform runs Deployments only",
                field="kind", value=kind, remedy="make it a Deployment, or run this service on Kubernetes",
            )  # fmt: skip
        by_kind.setdefault(kind, []).append(Fields(f"{kind}/{name}: ", body))
    deployments = by_kind.pop("Deployment", [])
    if len(deployments) != 1:
        raise Rejected(
            f"a workload needs exactly one Deployment, these manifests have {len(deployments)}",
            field="manifests", value=len(deployments), remedy="write one Deployment named like the service",
        )  # fmt: skip
    services = tuple(by_kind.pop("Service", []))
    config = {_name(each): each.mapping("data") for each in by_kind.pop("ConfigMap", [])}
    secrets = {_name(each): _secret_data(each) for each in by_kind.pop("Secret", [])}
    ignored = tuple(each.where.removesuffix(": ") for kind in sorted(by_kind) for each in by_kind[kind])
    return Objects(deployments[0], services, config, secrets, ignored)


def check_selection(service: Fields, labels: Mapping[str, str]) -> bool:
    """Tell whether the Service leads to pods at all; Rejected when it selects none of this Deployment's."""
    spec = service.child("spec")
    selector = spec.mapping("selector")
    if not selector:
        return False
    missing = {key: value for key, value in selector.items() if labels.get(key) != value}
    if missing:
        has = ", ".join(f"{key}={labels[key]}" if key in labels else f"no {key}" for key in missing)
        wants = ", ".join(f"{key}={value}" for key, value in missing.items())
        spec.refuse(
            "selector",
            f"selects nothing: it asks for pods with {wants}, the Deployment's pods have {has}",
            "make spec.selector of the Service equal to labels in spec.template.metadata.labels of the Deployment",
        )
    return True


def _name(fields: Fields) -> str:
    return fields.child("metadata").text("name")


def _secret_data(secret: Fields) -> dict[str, str]:
    data = {}
    for key, text in secret.mapping("data").items():
        try:
            data[key] = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            remedy = "encode the value with base64, or write it under stringData; it must be UTF-8 text"
            raise Rejected(
                f"{secret.where}data.{key}: is not base64 of text", field=f"data.{key}", remedy=remedy
            ) from None
    return data | secret.mapping("stringData")
