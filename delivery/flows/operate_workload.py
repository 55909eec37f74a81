"""Operate a workload: what people do to a service that runs in an environment; each act stands in the trail.

Neighbours: API (console), ports.platform (carries it out), start_rollouts (a way back is a rollout like any other).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from delivery.environments import Environment, EnvironmentState
from delivery.errors import Conflict, NotFound, Rejected
from delivery.flows.make_releases import release_id
from delivery.flows.start_rollouts import queue_of
from delivery.flows.world import World
from delivery.releases import Release
from delivery.rollouts.model import Phase, Rollout, Strategy
from delivery.workloads import WorkloadKey


@dataclass(frozen=True)
class Revision:
    """A release that has been the stable one in an environment. `at`: when it became so, seconds since the epoch."""

    release: Release
    rollout: str
    at: float
    current: bool


def workload_of(world: World, environment: Environment, service: str, version: str = "") -> WorkloadKey:
    """Return the workload of a service in an environment: the stable one, or the version named.

    Raises NotFound when the environment has none of its own.
    """
    found = version or environment.workloads.get(service, "")
    if not found:
        own = ", ".join(sorted(environment.workloads)) or "none"
        raise NotFound(
            f"{environment.name} has no {service} of its own (it has: {own})",
            field="service",
            value=service,
            remedy="name a service that the branch changes, or one of production",
        )
    return WorkloadKey(environment.project, service, environment.color, found)


def restart(world: World, environment: Environment, key: WorkloadKey, actor: str, reason: str = "") -> None:
    """Replace the workload's replicas, new ones first, as they were applied. Raises NotFound, Transient."""
    world.platform.restart(key, world.clock.now())
    _tell(world, environment, key, "restarted", "was restarted" + (f": {reason}" if reason else ""), actor)


def scale(world: World, environment: Environment, key: WorkloadKey, replicas: int | None, actor: str) -> None:
    """Run so many replicas of this version; None: as its manifests say. Raises NotFound, Rejected, Conflict."""
    world.platform.scale(key, replicas)
    text = "runs as many replicas as its manifests say" if replicas is None else f"was scaled to {replicas}"
    _tell(world, environment, key, "scaled", text, actor)


def revisions(world: World, environment: Environment, service: str, limit: int = 20) -> Sequence[Revision]:
    """Return what was promoted here, newest first; each release once."""
    rows = world.store.rollouts.find(
        environment=environment.id, service=service, phase=Phase.PROMOTED, newest_first=True, limit=10 * limit
    )
    now = environment.workloads.get(service, "")
    found: dict[str, Revision] = {}
    for row in rows:
        if row.candidate in found:
            continue
        try:
            release = world.store.releases.get(release_id(row.project, service, row.candidate))
        except NotFound:
            continue  # forgotten
        found[row.candidate] = Revision(release, row.id, row.ended_at or row.created_at, row.candidate == now)
    return list(found.values())[:limit]


def roll_back_to(world: World, environment: Environment, service: str, wanted: str, actor: str) -> Rollout:
    """Start a rollout to a release that ran here before: `wanted` is a version, or a commit by at least 7 characters.

    It is instant: ready, switched, the other retired; what ran here was good. Raises NotFound, Conflict.
    """
    if environment.state is not EnvironmentState.ACTIVE:
        raise Conflict(f"{environment.name} is being deleted", field="environment", value=environment.id)
    release = _chosen(revisions(world, environment, service, limit=100), environment, service, wanted)
    if queue := queue_of(world, environment.id, service):
        raise Conflict(
            f"rollout {queue[-1].id} of {service} is under way",
            field="service",
            value=service,
            remedy=f"abort it first: `colorlane rollout abort {queue[-1].id}`",
        )
    number = world.store.next_generation(f"rollback/{environment.project}")
    rollout = Rollout(
        id=f"{environment.project}.back{number}.{service}",
        project=environment.project,
        environment=environment.id,
        color=environment.color,
        service=service,
        stable=environment.workloads.get(service, ""),
        candidate=release.version,
        artifact=release.artifact,
        revision=release.revision,
        ref=release.ref,
        run="",  # no run waits for it: a person asked
        strategy=Strategy(),
        created_at=world.clock.now(),
    )
    added = world.store.rollouts.add(rollout)
    key = WorkloadKey(environment.project, service, environment.color, release.version)
    _tell(world, environment, key, "rolled_back_to", f"goes back to {release.version} ({release.revision[:12]})", actor)
    world.wake("advance_rollout", added.id)
    return added


def _chosen(known: Sequence[Revision], environment: Environment, service: str, wanted: str) -> Release:
    by_commit = len(wanted) >= 7
    found = [
        each
        for each in known
        if each.release.version == wanted or (by_commit and each.release.revision.startswith(wanted))
    ]
    if not found:
        raise NotFound(
            f"{wanted!r} never was the stable {service} of {environment.name}",
            field="to",
            value=wanted,
            remedy=f"`colorlane service history {environment.id} {service}` lists what was",
        )
    release = found[0].release
    if found[0].current:
        raise Conflict(f"{environment.name} runs {release.version} already", field="to", value=wanted)
    if release.quarantined:
        raise Rejected(
            f"{release.version} is quarantined: {release.quarantined}",
            field="to",
            value=wanted,
            remedy="choose another; retrying its rollout lifts the quarantine",
        )
    return release


def _tell(world: World, environment: Environment, key: WorkloadKey, kind: str, text: str, actor: str) -> None:
    line = f"{key.service} {key.version} {text}"
    subject = f"environment/{environment.id}"
    world.tell(environment.project, subject, f"workload.{kind}", line, actor, service=key.service, version=key.version)
