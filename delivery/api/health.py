"""Health: is the process alive, is it ready to serve, and the numbers Prometheus reads. Neighbours: ports.store."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel

from delivery.api.context import Ctx, Here
from delivery.deliveries import DeliveryState
from delivery.environments import EnvironmentState
from delivery.flows.world import World
from delivery.rollouts.model import TERMINAL, Phase
from pipelines.runs import JOB_ENDED, RUN_ENDED, JobState, RunState

router = APIRouter(tags=["health"])

COUNTED = 5_000  # rows looked at per noun: a gauge that says "at least" beats a slow scrape


class HealthShape(BaseModel):
    """`ok`, and for which version."""

    status: str
    version: str = ""


@router.get("/healthz")
def healthz(ctx: Ctx) -> HealthShape:
    """The process answers."""
    return HealthShape(status="ok", version=ctx.options.version)


@router.get("/readyz")
def readyz(ctx: Ctx) -> HealthShape:
    """The store answers too; 503 or 500 otherwise."""
    ctx.world.store.projects.find(limit=1)
    return HealthShape(status="ok", version=ctx.options.version)


@router.get("/metrics")
def metrics(world: Here) -> Response:
    """Our own numbers, in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(Counts(world))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class Counts(Collector):
    """Reads the store at each scrape: what is true lives there, not in this process."""

    def __init__(self, world: World) -> None:
        self._world = world

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering must not read the store."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Count what is under way, by state."""
        store = self._world.store
        live_runs = tuple(state for state in RunState if state not in RUN_ENDED)
        live_jobs = tuple(state for state in JobState if state not in JOB_ENDED)
        live_phases = tuple(phase for phase in Phase if phase not in TERMINAL)
        yield _gauge("colorlane_deliveries_waiting", "Deliveries not looked at yet", "state", {
            "received": len(store.deliveries.find(state=DeliveryState.RECEIVED, limit=COUNTED)),
        })  # fmt: skip
        runs = [run.state.value for run in store.runs.find(state=live_runs, limit=COUNTED)]
        yield _gauge("colorlane_runs", "Runs under way", "state", _tally([s.value for s in live_runs], runs))
        jobs = [job.state.value for job in store.jobs.find(state=live_jobs, limit=COUNTED)]
        yield _gauge("colorlane_jobs", "Jobs waiting or running", "state", _tally([s.value for s in live_jobs], jobs))
        rollouts = [row.phase.value for row in store.rollouts.find(phase=live_phases, limit=COUNTED)]
        yield _gauge(
            "colorlane_rollouts", "Rollouts under way", "phase", _tally([p.value for p in live_phases], rollouts)
        )
        environments = [row.state.value for row in store.environments.find(limit=COUNTED)]
        states = [state.value for state in EnvironmentState]
        yield _gauge("colorlane_environments", "Environments", "state", _tally(states, environments))


def _tally(names: Iterable[str], found: Iterable[str]) -> dict[str, int]:
    tally = dict.fromkeys(names, 0)
    for name in found:
        tally[name] = tally.get(name, 0) + 1
    return tally


def _gauge(name: str, text: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family
