"""Plan: which services a run builds and which artifacts it reuses, and why, in words. Pure; neighbours: specs, git.

A service is its *content key*: the hash of the files its `watch` matches in the tree of the commit, of its commands,
and of the builder. "Changed" means that the key differs from the key in the base tree (the merge base), which stays
exact where webhooks cut their list of commits or a branch was force-pushed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pathspec import GitIgnoreSpec

from pipelines.errors import InvalidSpec, Problem
from pipelines.specs.model import ServiceSpec, Spec
from pipelines.specs.parse import SPEC_FILE

BUILDER = "process/1"  # raise it when the builder makes something else of equal sources: all keys change


@dataclass(frozen=True)
class TreeEntry:
    """One file of a commit's tree as `git ls-tree` tells it. `mode` is octal text, `blob` the object id."""

    path: str
    mode: str
    blob: str


Tree = Mapping[str, TreeEntry]
Builder = str | Callable[[ServiceSpec, Tree], str]
"""What makes equal sources unequal artifacts: one text for all services, or one for each."""


class Action(StrEnum):
    """What the run does for a service."""

    BUILD = "build"
    REUSE = "reuse"


@dataclass(frozen=True)
class ServicePlan:
    """`changed` is against the base tree: an unchanged service needs no workload in a preview environment."""

    service: str
    key: str
    action: Action
    artifact: str  # empty when it is to be built
    changed: bool
    reason: str


@dataclass(frozen=True)
class Plan:
    """What a run does, by service, in the order of the spec."""

    services: Mapping[str, ServicePlan] = field(default_factory=dict)

    @property
    def builds(self) -> tuple[ServicePlan, ...]:
        """Return the services to build."""
        return tuple(item for item in self.services.values() if item.action is Action.BUILD)

    @property
    def changed(self) -> tuple[str, ...]:
        """Return the names of services whose content differs from the base."""
        return tuple(item.service for item in self.services.values() if item.changed)


def watched_files(service: ServiceSpec, tree: Tree) -> dict[str, TreeEntry]:
    """Return the entries the service's patterns match, sorted by path: all a build of it may see."""
    patterns = GitIgnoreSpec.from_lines(service.watch)
    prefixes = tuple(_literal_prefix(pattern) for pattern in service.watch if not pattern.startswith("!"))
    near = (path for path in tree if path.startswith(prefixes))  # in a large repository most files are far
    return {path: tree[path] for path in sorted(patterns.match_files(near))}


def _literal_prefix(pattern: str) -> str:
    """Return what every path the pattern matches begins with; "" for patterns that match at any depth (gitignore)."""
    anchored = "/" in pattern.rstrip("/")
    return re.split(r"[*?\[\\ ]", pattern.lstrip("/"), maxsplit=1)[0].rstrip("/") if anchored else ""


def content_key(service: ServiceSpec, tree: Tree, builder: Builder = BUILDER) -> str:
    """Return 64 hex digits that are equal when a build would see equal files, commands and builder.

    Timeouts are no part of it: they decide whether there is a result, never which.
    """
    files = [[entry.path, entry.mode, entry.blob] for entry in watched_files(service, tree).values()]
    commands = [command.command if command else "" for command in (service.build, service.test)]
    made_by = builder if isinstance(builder, str) else builder(service, tree)
    canonical = json.dumps([made_by, service.path, commands, files], separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()


def content_keys(spec: Spec, tree: Tree, builder: Builder = BUILDER) -> dict[str, str]:
    """Return service -> content key; ask the builds' index for these before `plan`."""
    return {name: content_key(service, tree, builder) for name, service in spec.services.items()}


def plan(
    spec: Spec,
    tree: Tree,
    base_tree: Tree | None = None,
    known: Mapping[str, str] | None = None,
    *,
    base_spec: Spec | None = None,
    since: str = "the base",
    builder: Builder = BUILDER,
    sourceless: Collection[str] = (),
) -> Plan:
    """Return the plan for `tree`. `known` maps content keys to artifact digests that exist already.

    `base_tree` is the merge base's tree (None: there is none, everything counts as changed), `base_spec` its spec,
    `since` its name for people (`main at abc1234`), `sourceless` the services that need no files in the tree.
    Raises InvalidSpec when the spec does not fit the tree.
    """
    if found := tree_problems(spec, tree, sourceless):
        raise InvalidSpec(found)
    before = _Base(base_tree, base_spec or spec, since, builder)
    known = known or {}
    return Plan({name: _plan_service(service, tree, before, known) for name, service in spec.services.items()})


def tree_problems(spec: Spec, tree: Tree, sourceless: Collection[str] = ()) -> list[Problem]:
    """Return what the spec names but the tree does not hold."""
    found = []
    for name, service in spec.services.items():
        prefix = "" if service.path == "." else f"{service.path}/"
        if name not in sourceless and not any(path.startswith(prefix) for path in watched_files(service, tree)):
            line = spec.lines.get(f"services.{name}.path", spec.lines.get(f"services.{name}", 0))
            message = f"has no files in this commit: {service.path}"
            remedy = "Commit the directory, or correct the path"
            found.append(Problem(SPEC_FILE, line, f"services.{name}.path", message, service.path, remedy))
    prefix = "" if spec.manifests == "." else f"{spec.manifests}/"
    if not any(f"{prefix}{name}" in tree for name in ("kustomization.yaml", "kustomization.yml", "Kustomization")):
        message = f"has no kustomization.yaml in this commit: {spec.manifests}"
        remedy = "Commit one that lists the manifests under `resources:`, or correct the path"
        found.append(Problem(SPEC_FILE, spec.lines.get("manifests", 0), "manifests", message, spec.manifests, remedy))
    return found


@dataclass(frozen=True)
class _Base:
    """What the commit is compared with."""

    tree: Tree | None
    spec: Spec
    since: str
    builder: Builder


def _plan_service(service: ServiceSpec, tree: Tree, base: _Base, known: Mapping[str, str]) -> ServicePlan:
    key = content_key(service, tree, base.builder)
    artifact = known.get(key, "")
    former = base.spec.services.get(service.name)
    changed = base.tree is None or former is None or content_key(former, base.tree, base.builder) != key
    reason = _difference(service, tree, former, base) if changed else f"unchanged since {base.since}"
    if artifact:
        reason += f"; same content as artifact {_short(artifact)}" if changed else f": artifact {_short(artifact)}"
    elif not changed:
        reason += ", but its artifact is not kept here: built again"
    action = Action.REUSE if artifact else Action.BUILD
    return ServicePlan(service.name, key, action, artifact, changed, reason)


def _difference(service: ServiceSpec, tree: Tree, former: ServiceSpec | None, base: _Base) -> str:
    """Say what changed; called only when something did."""
    if base.tree is None:
        return "first build"
    if former is None:
        return f"new service since {base.since}"
    now, then = watched_files(service, tree), watched_files(former, base.tree)
    count = sum(1 for path in now.keys() | then.keys() if now.get(path) != then.get(path))
    if not count:
        return f"its commands or path in {SPEC_FILE} changed since {base.since}"
    where = service.path if service.path != "." else "the repository"
    return f"{where} changed: {count} {'file' if count == 1 else 'files'} since {base.since}"


def _short(digest: str) -> str:
    return f"{digest[:19]}…" if len(digest) > 20 else digest
