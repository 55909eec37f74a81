"""Perform effects: what a decision asks of the world, in order, each harmless to repeat. Neighbours: advance_rollout.

`Conflict` from mesh or platform means that something newer was asked for already: the effect has been overtaken,
which is an outcome and no error.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import structlog

from delivery.errors import Conflict, NotFound, Rejected
from delivery.flows.make_releases import release_id
from delivery.flows.tell_commit import tell_commit
from delivery.flows.updates import update
from delivery.flows.world import World
from delivery.ports.forge import CommitState
from delivery.rollouts.model import (
    GENERATIONS_PER_ROLLOUT,
    AskTraffic,
    Command,
    Decision,
    DeployCandidate,
    Effect,
    MakeStable,
    Quarantine,
    Report,
    Retire,
    Rollout,
    WithdrawTraffic,
)
from delivery.workloads import WorkloadKey, WorkloadSpec

log = structlog.get_logger(__name__)


def perform_effects(world: World, decision: Decision) -> Rollout:
    """Do all of it and return the rollout to save. Raises Transient; then nothing is saved and all is repeated.

    A workload the platform refuses is a fact about the candidate: an abort with the reason is put among the commands.
    """
    rollout = decision.rollout
    for effect in decision.effects:
        try:
            _perform(world, rollout, effect)
        except Conflict as error:
            log.info("effect overtaken", rollout=rollout.id, effect=type(effect).__name__, reason=error.message)
        except Rejected as error:
            if not isinstance(effect, DeployCandidate):
                raise
            abort = Command("abort", "colorlane", world.clock.now(), error.message)
            return replace(rollout, commands=(*rollout.commands, abort))
    return rollout


def _perform(world: World, rollout: Rollout, effect: Effect) -> None:
    match effect:
        case DeployCandidate():
            _deploy(world, rollout)
        case AskTraffic(intent):
            world.traffic.set_intent(intent)
        case WithdrawTraffic(generation):
            world.traffic.remove_intent(rollout.project, rollout.service, rollout.color, generation)
        case MakeStable():
            _make_stable(world, rollout)
        case Retire(version):
            _retire(world, rollout, version)
        case Quarantine(reason):
            release = release_id(rollout.project, rollout.service, rollout.candidate)
            update(world.store.releases, release, lambda row: replace(row, quarantined=reason))
        case Report(state, text):
            _report(world, rollout, CommitState(state), text)


def _deploy(world: World, rollout: Rollout) -> None:
    release = world.store.releases.get(release_id(rollout.project, rollout.service, rollout.candidate))
    # The block's first number, not the newest: a repeat must be the same request, whatever was asked of the mesh since.
    generation = rollout.generation - rollout.generation % GENERATIONS_PER_ROLLOUT
    world.platform.apply(WorkloadSpec(_key(rollout, release.version), generation, release.artifact, release.manifests))


def _make_stable(world: World, rollout: Rollout) -> None:
    with suppress(NotFound):  # the environment went meanwhile; the next tick ends the rollout
        update(
            world.store.environments,
            rollout.environment,
            lambda row: replace(row, workloads={**row.workloads, rollout.service: rollout.candidate}),
        )


def _retire(world: World, rollout: Rollout, version: str) -> None:
    environment = world.store.environments.get(rollout.environment)
    if environment.workloads.get(rollout.service) == version:
        log.error("refused to retire the stable version", rollout=rollout.id, version=version)
        return
    world.platform.remove(_key(rollout, version), rollout.generation)


def _report(world: World, rollout: Rollout, state: CommitState, text: str) -> None:
    place = rollout.environment.partition("/")[2]
    name = f"colorlane/{place}/{rollout.service}"
    url = f"{world.api_url}/#rollout/{rollout.id}"
    tell_commit(world, rollout.project, rollout.revision, rollout.ref, name, state, text, url)


def _key(rollout: Rollout, version: str) -> WorkloadKey:
    return WorkloadKey(rollout.project, rollout.service, rollout.color, version)
