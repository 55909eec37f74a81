"""Random histories with crashes: the laws of a rollout hold whatever the world does, and it always ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import Phase as Phase_
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from delivery.errors import Conflict
from delivery.gates.policy import GatePolicy
from delivery.gates.samples import Counts, Sample
from delivery.intents import Intent, TrafficState
from delivery.rollouts.codec import rollout_from_json, rollout_to_json
from delivery.rollouts.decide import decide
from delivery.rollouts.invariants import violations
from delivery.rollouts.model import (
    TERMINAL,
    Analysis,
    Approval,
    AskTraffic,
    Command,
    Decision,
    Effect,
    Facts,
    MakeStable,
    Pause,
    Phase,
    Retire,
    Rollout,
    SetWeight,
    Strategy,
    WithdrawTraffic,
    first_generation,
)
from delivery.rollouts.orders import with_approval, with_command
from delivery.workloads import Health

steps = st.lists(
    st.one_of(
        st.sampled_from([SetWeight(0), SetWeight(10), SetWeight(50), SetWeight(100)]),
        st.sampled_from([Pause(), Pause(3.0), Pause(0.0)]),
        st.just(Analysis(20.0)),
    ),
    max_size=5,
).map(tuple)


EVENTS: dict[str, Callable[[Any], None]] = {
    **{f"candidate {h}": lambda world, h=h: setattr(world, "candidate", h) for h in Health},
    **{f"stable {h}": lambda world, h=h: setattr(world, "stable_health", h) for h in Health},
    "proxies lag": lambda world: setattr(world, "programmed", False),
    "promote": lambda world: world.command("promote"),
    "abort": lambda world: world.command("abort"),
    "pause": lambda world: world.command("pause"),
    "resume": lambda world: world.command("resume"),
    "approve": lambda world: world.approve(True),
    "approve another commit": lambda world: world.approve(True, "other"),
    "reject": lambda world: world.approve(False),
    "mesh forgets": lambda world: setattr(world, "mesh", None),
    "metrics away": lambda world: setattr(world, "metrics", False),
    "candidate fails requests": lambda world: setattr(world, "error_rate", 0.5),
    "newer release": lambda world: setattr(world, "newer", "newer"),
}
USUAL: dict[str, Callable[[Any], None]] = {
    "nothing": lambda world: None,
    "all well": lambda world: world.all_well(),
    "proxies acknowledge": lambda world: setattr(world, "programmed", True),
}


class World(RuleBasedStateMachine):
    """The mesh, the platform, the metrics and a database, each of which may fail at any tick."""

    @initialize(
        steps=steps,
        stable=st.sampled_from(["", "old", "old", "new"]),
        inconclusive=st.sampled_from(["pause", "rollback"]),
    )
    def begin(self, steps: tuple[SetWeight | Pause | Analysis, ...], stable: str, inconclusive: str) -> None:
        strategy = Strategy(steps, GatePolicy(error_tolerance=0.2, latency_tolerance=0), inconclusive, 30.0)
        self.rollout = Rollout(
            "r1", "shop", "shop/production", "", "reviews", stable, "new", "sha256:n", "c0ffee", "main", "run1",
            strategy, generation=first_generation(3), created_at=1000.0,
        )  # fmt: skip
        self.now = 1000.0
        self.candidate, self.stable_health = Health.ABSENT, Health.READY
        self.mesh: Intent | None = Intent("shop", "reviews", "", first_generation(2) + 4, stable, {stable: 100})
        if not stable:
            self.mesh = None
        self.programmed, self.metrics, self.newer = True, True, ""
        self.counts = {"stable": [0, 0], "candidate": [0, 0]}
        self.made_stable, self.retired = stable, set[str]()
        self.error_rate = 0.0

    @rule(
        event=st.sampled_from([*USUAL, *USUAL, *USUAL, *USUAL, *USUAL, *USUAL, *EVENTS]),
        seconds=st.sampled_from([0.0, 1.0, 1.0, 5.0, 40.0]),
        performed=st.sampled_from([None, None, None, None, 0, 1, 2]),
    )
    def live(self, event: str, seconds: float, performed: int | None) -> None:
        """Something happens, time goes by, a tick follows; with `performed` set it crashes after so many effects."""
        (USUAL | EVENTS)[event](self)
        if performed is None:
            self.tick(seconds)
            return
        self._pass(seconds)
        for effect in self._decide().effects[:performed]:
            self._perform(effect)

    def command(self, verb: str) -> None:
        with suppress(Conflict):
            self.rollout = with_command(self.rollout, Command(verb, "bob", self.now))

    def approve(self, approved: bool, revision: str = "c0ffee") -> None:
        answer = Approval("ann", approved, self.rollout.step, revision, "sha256:n", self.now)
        with suppress(Conflict):
            self.rollout = with_approval(self.rollout, answer)

    def tick(self, seconds: float) -> None:
        self._pass(seconds)
        decision = self._decide()
        for effect in decision.effects:
            self._perform(effect)
        stored = rollout_from_json(rollout_to_json(decision.rollout))
        self.rollout = replace(stored, row_version=self.rollout.row_version + 1)

    def teardown(self) -> None:
        """With a world that works, and a person who aborts, every rollout ends within a bounded number of ticks."""
        if not hasattr(self, "rollout"):
            return
        self.all_well()
        for _ in range(60):
            if self.rollout.phase in TERMINAL:
                return
            self.command("abort")
            self.tick(1.0)
            self.programmed = True
        raise AssertionError(f"still {self.rollout.phase}: {self.rollout.waiting_on}")

    def all_well(self) -> None:
        self.candidate, self.stable_health, self.programmed, self.metrics = Health.READY, Health.READY, True, True

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        share = self.mesh.weights.get("new", 0) / 100 if self.mesh else 0.0
        new = int(100 * seconds * share)
        self.counts["stable"][0] += int(100 * seconds) - new
        self.counts["candidate"][0] += new
        self.counts["candidate"][1] += int(new * self.error_rate)

    def _facts(self) -> Facts:
        sample = Sample(self.now, Counts(*self.counts["stable"]), Counts(*self.counts["candidate"]))
        generation = self.mesh.generation if self.mesh else 0
        traffic = TrafficState(generation, self.programmed, () if self.programmed else ("gateway/main",))
        return Facts(self.candidate, "", self.stable_health, traffic, sample if self.metrics else None, self.newer)

    def _decide(self) -> Decision:
        facts = self._facts()
        decision = decide(self.rollout, facts, self.now)
        assert decision == decide(self.rollout, facts, self.now)
        assert not list(violations(self.rollout, facts, decision))
        assert bool(decision.waiting_on) or decision.rollout.phase in TERMINAL or decision.rollout != self.rollout
        return decision

    def _perform(self, effect: Effect) -> None:
        if isinstance(effect, AskTraffic):
            held = self.mesh.generation if self.mesh else 0
            assert effect.intent.generation >= held, "the mesh refuses an older intent"
            if effect.intent.generation == held:
                assert self.mesh == effect.intent, "other weights under a generation the mesh has seen"
                return
            self.mesh, self.programmed = effect.intent, False
        elif isinstance(effect, WithdrawTraffic):
            self.mesh = None
        elif isinstance(effect, MakeStable):
            self.made_stable = "new"
        elif isinstance(effect, Retire):
            self.retired.add(effect.version)

    @invariant()
    def no_traffic_goes_to_a_retired_version(self) -> None:
        if not hasattr(self, "mesh") or self.mesh is None:
            return
        served = {version for version, percent in self.mesh.weights.items() if percent > 0} | {self.mesh.stable}
        assert not served & self.retired

    @invariant()
    def the_stable_version_is_never_retired(self) -> None:
        if hasattr(self, "made_stable"):
            assert self.made_stable not in self.retired
            if self.rollout.phase is Phase.PROMOTED:
                assert self.made_stable == "new"
            if self.rollout.phase in (Phase.ROLLED_BACK, Phase.SUPERSEDED):
                assert self.made_stable == self.rollout.stable


TestWorld = World.TestCase
TestWorld.settings = settings(
    max_examples=200,
    stateful_step_count=50,
    deadline=None,
    phases=(Phase_.explicit, Phase_.reuse, Phase_.generate, Phase_.shrink),
    suppress_health_check=[HealthCheck.too_slow],
)
