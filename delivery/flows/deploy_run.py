"""Deploy a run: renders, names releases by content, and starts rollouts where the environment runs something else.

Order between runs: the environment is a lease taken by one run at a time, and a revision that the environment's own
contains is never put over it (design: order by ancestry). Neighbours: make_releases, place_run, start_rollouts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from delivery.environments import Environment, EnvironmentState
from delivery.errors import Broken, Transient
from delivery.flows.leases import held
from delivery.flows.make_releases import make_releases
from delivery.flows.place_run import expose, place_run
from delivery.flows.plan_run import artifact_of
from delivery.flows.report_run import end_run, report_run
from delivery.flows.start_rollouts import start_rollouts
from delivery.flows.updates import update
from delivery.flows.withdraw_services import withdraw_services
from delivery.flows.world import World
from delivery.ports.builds import Target
from delivery.projects import Project
from delivery.releases import Release
from pipelines.runs import Run, RunState


def deploy_run(world: World, run: Run) -> bool:
    """Start the run's rollouts; return whether to look at its end at once. Raises Rejected, Transient, Conflict."""
    project = world.store.projects.get(run.project)
    repository = world.forge(project).repository(project, run.revision)
    entry, target = world.builds.target(repository, run.branch, run.revision)
    if target is None:
        raise Broken(f"run {run.id} deploys, but its branch has no target")
    artifacts = _artifacts(world, run)
    if artifacts is None:
        return False
    manifests = world.builds.render(repository, run.revision, project.name, artifacts) if run.keys else {}
    releases = make_releases(world, run, artifacts, manifests)
    with held(world, f"deploy/{project.name}/{run.branch}") as mine:
        if not mine:
            raise Transient(f"another run deploys {run.branch}")
        environment = place_run(world, project, run, target)
        if reason := _overtaken(world, project, run, environment):
            end_run(world, run.id, RunState.SUPERSEDED, reason)
            return False
        expose(world, project, environment, entry, releases)
        return _deploy(world, run, environment, target, releases)


def _artifacts(world: World, run: Run) -> dict[str, str] | None:
    """Return service -> digest; None when one was collected meanwhile, and the run went back to be planned."""
    found = {service: artifact_of(world, run.project, key) for service, key in run.keys.items()}
    if all(found.values()):
        return found
    world.store.runs.save(replace(run, state=RunState.QUEUED))
    world.wake("advance_run", run.id)
    return None


def _overtaken(world: World, project: Project, run: Run, environment: Environment) -> str:
    """Return why the run comes too late, or ""."""
    if _head(world, project, run) == run.revision:
        return ""
    newer = world.store.runs.find(project=run.project, ref=run.ref, newest_first=True, limit=1)
    if newer and newer[0].number > run.number and newer[0].revision != run.revision:
        return f"run {newer[0].number} of {run.branch} is newer"
    there = environment.revision
    repository = world.forge(project).repository(project, run.revision)
    if there and there != run.revision and world.builds.is_ancestor(repository, run.revision, there):
        return f"{environment.name} runs {there[:12]}, which contains this commit"
    return ""


def _head(world: World, project: Project, run: Run) -> str:
    """Return where the branch stands by its host; by our own account while the host is away."""
    try:
        return world.forge(project).heads(project).get(run.branch, "")
    except Transient:
        seen = world.store.heads.find(project=project.name, ref=run.ref, limit=1)
        return seen[0].revision if seen else ""


def _deploy(world: World, run: Run, environment: Environment, target: Target, releases: Mapping[str, Release]) -> bool:
    if environment.state is not EnvironmentState.ACTIVE:
        raise Transient(f"{environment.name} is being deleted")
    if not target.is_production:
        withdraw_services(world, environment, keep=frozenset(releases))
    refused = {name: release.quarantined for name, release in releases.items() if release.quarantined}
    fit = {name: release for name, release in releases.items() if name not in refused}
    rollouts = start_rollouts(world, run, environment, target, fit)
    update(world.store.environments, environment.id, lambda row: replace(row, revision=run.revision))
    message = "; ".join(f"{name} {releases[name].version} is quarantined: {why}" for name, why in refused.items())
    saved = replace(
        run,
        releases={name: release.id for name, release in releases.items()},
        rollouts=tuple(rollout.id for rollout in rollouts),
        message=message,
    )
    if not rollouts:
        return _nothing_to_do(world, saved, environment)
    report_run(world, world.store.runs.save(saved))
    names = ", ".join(rollout.service for rollout in rollouts)
    world.tell(run.project, f"run/{run.id}", "run.deploying", f"deploys {names} to {environment.name}")
    for rollout in rollouts:
        world.wake("advance_rollout", rollout.id)
    return True


def _nothing_to_do(world: World, run: Run, environment: Environment) -> bool:
    world.store.runs.save(run)
    if run.message:
        end_run(world, run.id, RunState.FAILED, f"{run.message}; push a change, or retry its rollout to lift that")
    else:
        end_run(world, run.id, RunState.SUCCEEDED, f"{environment.name} runs exactly this already")
    return False
