"""Health of an application: thresholds, what a failure does, what an adopted one keeps."""

import asyncio

import pytest

from delivery.adapters.platform_local import health
from delivery.adapters.platform_local.health import AppHealth
from delivery.adapters.platform_local.plan import Probe, Probes

QUICK = Probe("tcp", port=1, period=0.01, failure_threshold=3, success_threshold=1)


class ScriptedProber:
    """Answers each probe as its script says; the last answer stays."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), 0

    async def failure(self, probe):
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(health, "FIRST_PAUSE", 0.001)


async def watch(probes, prober, *, ready=False, until):
    """Watch until the list of findings, as (ready, failure), satisfies `until`; return it."""
    seen, done = [], asyncio.Event()
    app = AppHealth(
        probes, prober, lambda: (seen.append((app.ready, app.failure)), until(seen) and done.set()), ready=ready
    )
    task = asyncio.create_task(app.watch())
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    return seen


async def test_ready_after_the_first_success():
    seen = await watch(Probes(readiness=QUICK), ScriptedProber("refused", ""), until=lambda seen: seen[-1][0])
    assert seen == [(False, "readiness probe refused"), (True, "")]


async def test_unready_only_after_failures_in_a_row():
    prober = ScriptedProber("", "x", "x", "", "x", "x", "x")
    seen = await watch(Probes(readiness=QUICK), prober, until=lambda seen: len(seen) == 2)
    assert seen == [(True, ""), (False, "readiness probe x")]
    assert prober.asked == 7


async def test_an_adopted_application_stays_ready_until_a_probe_says_otherwise():
    prober = ScriptedProber("x")
    seen = await watch(Probes(readiness=QUICK), prober, ready=True, until=bool)
    assert seen == [(False, "readiness probe x")]
    assert prober.asked == 3


async def test_without_probes_running_is_ready():
    assert await watch(Probes(), ScriptedProber("never asked"), until=bool) == [(True, "")]


async def test_liveness_failures_in_a_row_ask_for_a_restart():
    prober = ScriptedProber("", "x", "x", "", "x")
    app = AppHealth(Probes(liveness=QUICK), prober, lambda: None)
    assert await asyncio.wait_for(app.watch(), 5) == "liveness probe x"
    assert prober.asked == 7


async def test_a_startup_probe_bounds_the_start_and_holds_the_others_back():
    start = Probe("tcp", port=1, period=0.02, failure_threshold=2)
    never = ScriptedProber("refused")
    app = AppHealth(Probes(startup=start, liveness=QUICK), never, lambda: None)
    assert await asyncio.wait_for(app.watch(), 5) == "startup probe refused"
    assert not app.ready


async def test_a_success_threshold_is_met_in_a_row():
    twice = Probe("tcp", port=1, period=0.01, success_threshold=2)
    prober = ScriptedProber("", "x", "", "")
    await watch(Probes(readiness=twice), prober, until=lambda seen: seen[-1][0])
    assert prober.asked == 4
