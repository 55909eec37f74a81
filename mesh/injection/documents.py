"""Injection into files: all pods and pod templates of YAML documents; every other document stays byte for byte. Pure.

YAML is written so that Kubernetes reads what was read: strings that its parser would take for numbers, truths or dates
are quoted, which PyYAML alone does not do for all of them (`1e3`, `0o17`, `on`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from mesh.errors import Rejected
from mesh.injection.decision import Verdict, judge
from mesh.injection.options import Json, Options
from mesh.injection.pod import inject

_TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "Pod": (),
    "PodTemplate": ("template",),
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"), ("spec", "template")),
    **dict.fromkeys(("ReplicationController", "Rollout"), ("spec", "template")),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_SEPARATOR = re.compile(r"(?m)^---(?=\s|$)[^\n]*(?:\n|\Z)")
_AMBIGUOUS = re.compile(r"[-+.]?\d.*|[-+]?\.(inf|nan)|~|null|y|n|yes|no|on|off|true|false|=|<<", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """What became of one pod or template: `what` is e.g. "Deployment shop/reviews"."""

    what: str
    verdict: Verdict


def inject_text(text: str, options: Options, *, namespace: str = "") -> tuple[str, list[Finding]]:
    """Return the text with all its pods injected, and what became of each. `namespace`: of objects that name none.

    Raises Rejected for text that is not YAML, and for pods that cannot be injected.
    """
    findings: list[Finding] = []
    written: list[str] = []
    position = 0
    for mark in [*_SEPARATOR.finditer(text), None]:
        end = mark.start() if mark else len(text)
        written.append(_document(text[position:end], options, namespace, findings))
        if mark:
            written.append(mark[0] if mark[0].endswith("\n") else f"{mark[0]}\n")
            position = mark.end()
    return "".join(written), findings


def inject_object(thing: Any, options: Options, *, namespace: str = "") -> tuple[Any, list[Finding]]:
    """Return one object of Kubernetes with its pods injected, and what became of each; others come back as they are."""
    kind = thing.get("kind") if isinstance(thing, Mapping) else None
    if not isinstance(kind, str):
        return thing, []
    if kind.endswith("List") and isinstance(thing.get("items"), list):
        pairs = [inject_object(each, options, namespace=namespace) for each in thing["items"]]
        findings = [finding for _, found in pairs for finding in found]
        return {**thing, "items": [each for each, _ in pairs]}, findings
    if kind not in _TEMPLATES:
        return thing, []
    return _workload(thing, kind, options, namespace)


def _workload(thing: Json, kind: str, options: Options, namespace: str) -> tuple[Json, list[Finding]]:
    metadata = thing.get("metadata") or {}
    space = metadata.get("namespace") or namespace
    name = metadata.get("name") or metadata.get("generateName") or "?"
    what = f"{kind} {space}/{name}" if space else f"{kind} {name}"
    found: list[Finding] = []

    def change(pod: Json) -> Json:
        verdict = judge(pod, space, options)
        found.append(Finding(what, verdict))
        try:
            return inject(pod, options) if verdict.inject else pod
        except Rejected as error:
            raise Rejected(
                f"{what}: {error.message}", field=error.field, value=error.value, remedy=error.remedy
            ) from error

    return _at(thing, _TEMPLATES[kind], change), found


def _at(thing: Json, path: tuple[str, ...], change: Callable[[Json], Json]) -> Json:
    if not path:
        return change(thing)
    inner = thing.get(path[0])
    if not isinstance(inner, Mapping):
        return thing
    return {**thing, path[0]: _at(inner, path[1:], change)}


def _document(text: str, options: Options, namespace: str, findings: list[Finding]) -> str:
    try:
        thing = yaml.load(text, _Loader)  # noqa: S506  a SafeLoader that leaves dates alone
    except yaml.YAMLError as error:
        raise Rejected(f"not YAML: {error}", field="file", remedy="give Kubernetes manifests") from error
    injected, found = inject_object(thing, options, namespace=namespace)
    findings.extend(found)
    if injected == thing:
        return text if text.endswith("\n") or not text else f"{text}\n"
    return yaml.dump(injected, Dumper=_Dumper, sort_keys=False, width=1_000_000, allow_unicode=True)


class _Loader(yaml.SafeLoader):
    """Reads dates as the strings they are for Kubernetes."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Dumper(yaml.SafeDumper):
    """Quotes what another parser could take for something else; long texts in blocks; no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _AMBIGUOUS.fullmatch(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _string)
