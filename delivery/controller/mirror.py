"""Mirror: rows as custom resources. Pure; neighbours: changes (compares them with the cluster), objects.

The kinds stand in kustomize/base/crds. Conditions follow the Kubernetes API conventions (typical status properties):
`lastTransitionTime` moves only when the status does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from delivery.controller.objects import ENVIRONMENT, ROLLOUT, Key, Object
from delivery.environments import Environment
from delivery.rollouts.model import TERMINAL, Analysis, Pause, Phase, Rollout, SetWeight, Step
from delivery.rollouts.orders import waits_for_approval

GROUP = "colorlane.dev"
API_VERSION = f"{GROUP}/v1alpha1"
MANAGED_BY = {"app.kubernetes.io/managed-by": "colorlane"}
FINALIZER = f"{GROUP}/environment"
KEPT = 5  # ended rollouts shown for each service of an environment; all are in the API


@dataclass(frozen=True)
class Mirrored:
    """What the cluster should show of one row."""

    key: Key
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    conditions: tuple[tuple[str, bool, str, str], ...] = ()  # type, holds, reason, message
    finalizer: str = ""

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels to select by."""
        found = {f"{GROUP}/project": self.spec["project"]}
        found |= {f"{GROUP}/{name}": self.spec[name] for name in ("service", "environment") if name in self.spec}
        return MANAGED_BY | found


def object_name(rollout: str) -> str:
    """Return a Kubernetes name for a rollout's id: `shop-12.reviews~2` is `shop-12.reviews.retry-2`."""
    return rollout.replace("~", ".retry-").lower()


def shown_rollouts(rollouts: Iterable[Rollout]) -> list[Rollout]:
    """Return those that are under way and the newest ended ones of each service; `rollouts` come newest first."""
    seen: dict[tuple[str, str], int] = {}
    chosen = []
    for rollout in rollouts:
        lane = (rollout.environment, rollout.service)
        if rollout.phase in TERMINAL:
            seen[lane] = seen.get(lane, 0) + 1
            if seen[lane] > KEPT:
                continue
        chosen.append(rollout)
    return chosen


def mirror_rollout(rollout: Rollout, namespace: str) -> Mirrored:
    """Return the object of a rollout."""
    spec = {
        "id": rollout.id,
        "project": rollout.project,
        "service": rollout.service,
        "environment": rollout.environment.partition("/")[2],
        "candidate": rollout.candidate,
        "stable": rollout.stable,
        "revision": rollout.revision,
        "ref": rollout.ref,
        "artifact": rollout.artifact,
    }
    steps = rollout.strategy.steps
    under_way = rollout.phase not in TERMINAL and rollout.step < len(steps)
    status = {
        "phase": rollout.phase.value,
        "step": f"{min(rollout.step + 1, len(steps))}/{len(steps)}" if steps else "",
        "doing": say_step(steps[rollout.step]) if under_way else "",
        "weight": rollout.weight,
        "message": rollout.message,
        "verdict": str(rollout.verdict.get("sentence", "")),
        "waitingOn": list(rollout.waiting_on),
        "endedAt": moment(rollout.ended_at),
    }
    return Mirrored(Key(ROLLOUT, namespace, object_name(rollout.id)), spec, status, _conditions(rollout))


def mirror_environment(environment: Environment, namespace: str) -> Mirrored:
    """Return the object of an environment; a preview's holds its deletion up until nothing of it is left."""
    spec = {
        "id": environment.id,
        "project": environment.project,
        "name": environment.name,
        "color": environment.color,
        "branch": environment.branch,
    }
    status = {
        "state": environment.state.value,
        "url": environment.url,
        "owner": environment.owner,
        "revision": environment.revision,
        "services": ", ".join(sorted(environment.workloads)),
        "versions": dict(sorted(environment.workloads.items())),
        "expiresAt": moment(environment.expires_at),
    }
    key = Key(ENVIRONMENT, namespace, environment.name)
    return Mirrored(key, spec, status, finalizer=FINALIZER if environment.color else "")


def merged_conditions(wanted: Sequence[tuple[str, bool, str, str]], held: Object, now: str) -> list[dict[str, str]]:
    """Return the conditions to write: one that keeps its status keeps its time too."""
    before = {each["type"]: each for each in held.get("conditions", ())}
    found = []
    for kind, holds, reason, message in wanted:
        status = "True" if holds else "False"
        old = before.get(kind, {})
        since = old["lastTransitionTime"] if old.get("status") == status else now
        fresh = {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}
        found.append(fresh)
    return found


def _conditions(rollout: Rollout) -> tuple[tuple[str, bool, str, str], ...]:
    """Return what `kubectl wait --for=condition=...` can wait for."""
    phase, ended = rollout.phase, rollout.phase in TERMINAL
    reason = "".join(word.capitalize() for word in phase.value.split("_"))
    asks = waits_for_approval(rollout)
    return (
        ("AwaitingApproval", asks, "StepWaits" if asks else reason, rollout.message if asks else ""),
        ("Ended", ended, reason, rollout.message if ended else ""),
        ("Promoted", phase is Phase.PROMOTED, reason, rollout.message if phase is Phase.PROMOTED else ""),
        ("RolledBack", phase is Phase.ROLLED_BACK, reason, rollout.message if phase is Phase.ROLLED_BACK else ""),
    )


def say_step(step: Step) -> str:
    """Return a step in the words of colorlane.yaml."""
    match step:
        case SetWeight(percent):
            return f"setWeight: {percent}"
        case Pause(seconds):
            return "pause until approved" if seconds is None else f"pause: {seconds:g}s"
        case Analysis(seconds):
            return f"analysis: at most {seconds:g}s"


def moment(at: float | None) -> str | None:
    """Return a time (seconds since the epoch) as Kubernetes writes it, None for none."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
