"""Scenario: a text script played against the pure core, with a transcript of what the rollout decided. Pure.

The same scripts are the project's scenario tests and what `colorlane simulate FILE` replays. One command a line, or
several separated by `;`; `#` begins a comment. The commands are in `COMMANDS`, explained in docs/rollouts.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from delivery.errors import Rejected
from delivery.rollouts.model import (
    TERMINAL,
    Analysis,
    Approval,
    AskTraffic,
    Command,
    Decision,
    Effect,
    Pause,
    Quarantine,
    Report,
    Retire,
    Rollout,
    SetWeight,
    Step,
    Strategy,
    WithdrawTraffic,
    first_generation,
)
from delivery.rollouts.orders import with_approval, with_command
from delivery.rollouts.simulation import World
from delivery.workloads import Health

TICK = 1.0  # seconds


def run_scenario(text: str) -> str:
    """Play a script; return its transcript. Raises Rejected naming the line for a command it does not know."""
    play = _Play()
    for number, line in enumerate(text.splitlines(), start=1):
        for part in line.split("#", 1)[0].split(";"):
            if part.strip():
                play.run(part.split(), number)
    return play.transcript()


class _Play:
    """One run of a script: the world, and the lines written so far."""

    def __init__(self) -> None:
        strategy = Strategy((SetWeight(10), Analysis(120.0), SetWeight(100)))
        rollout = Rollout(
            id="r1",
            project="shop",
            environment="shop/production",
            color="",
            service="reviews",
            stable="old",
            candidate="new",
            artifact="sha256:new",
            revision="c0ffee12",
            ref="refs/heads/main",
            run="run1",
            strategy=strategy,
            generation=first_generation(1),
        )
        self.world = World(rollout)
        self.lines: list[str] = []
        self.last: tuple[object, ...] = ()

    def run(self, words: list[str], line: int) -> None:
        command, arguments = words[0], words[1:]
        if command not in COMMANDS:
            raise Rejected(
                f"line {line}: unknown command {command!r}",
                field=f"line {line}",
                value=command,
                remedy=f"use one of {', '.join(sorted(COMMANDS))}",
            )
        self.lines.append(f"> {' '.join(words)}")
        try:
            COMMANDS[command](self, arguments)
        except (ValueError, LookupError) as error:
            raise Rejected(
                f"line {line}: {' '.join(words)}: {error}",
                field=f"line {line}",
                value=" ".join(arguments),
                remedy="see the commands in docs/rollouts.md",
            ) from error

    def transcript(self) -> str:
        rollout = self.world.rollout
        sentence = rollout.verdict.get("sentence", "")
        end = [f"= {rollout.phase} after {self.world.now:g} s: {rollout.message}"]
        if sentence and sentence != rollout.message:
            end.append(f"= gate: {sentence}")
        return "\n".join([*self.lines, *end]) + "\n"

    # time

    def tick(self, seconds: float, until: str = "") -> None:
        for _ in range(round(seconds / TICK)):
            if self.world.rollout.phase in TERMINAL or self.world.rollout.phase == until:
                return
            self.world.pass_time(TICK)
            self.note(self.world.tick())
        self.note_waits()

    def note(self, decision: Decision) -> None:
        """Write what is new: a move, another weight or message, and effects not just repeated."""
        rollout = decision.rollout
        state = (rollout.phase, rollout.step, rollout.weight, rollout.message, decision.effects)
        if state == self.last:
            return
        shown = self.last[:4] != state[:4]
        repeated = self.last[4] if self.last else ()
        self.last = state
        if shown:
            self.lines.append(f"{self.world.now:6.0f} s  {rollout.phase:<13}{rollout.weight:3} %  {rollout.message}")
        for effect in decision.effects:
            if shown or effect not in (repeated if isinstance(repeated, tuple) else ()):
                self.lines.append(f"{'':26}-> {_words(effect)}")

    def note_waits(self) -> None:
        for wait in self.world.rollout.waiting_on:
            self.lines.append(f"{self.world.now:6.0f} s  waits for {wait}")

    # people

    def answer(self, words: list[str], *, approved: bool) -> None:
        rollout = self.world.rollout
        bound = (rollout.step, rollout.revision, rollout.artifact)
        approval = Approval(words[0], approved, *bound, at=self.world.now, comment=" ".join(words[1:]))
        self.change(lambda: with_approval(rollout, approval))

    def order(self, verb: str, words: list[str]) -> None:
        command = Command(verb, words[0], self.world.now, " ".join(words[1:]))
        self.change(lambda: with_command(self.world.rollout, command))

    def change(self, order: Callable[[], Rollout]) -> None:
        try:
            self.world.rollout = order()
        except Rejected as refusal:
            self.lines.append(f"{'':10}refused: {refusal.message} ({refusal.remedy})")

    def strategy(self, **changes: Any) -> None:
        rollout = self.world.rollout
        strategy = replace(rollout.strategy, **changes)
        self.world.rollout = replace(rollout, strategy=strategy)

    def gate(self, words: list[str]) -> None:
        """`gate errors 5% latency 25% confidence 99% minRequests 50 warmup 30s`."""
        names = {
            "errors": "error_tolerance",
            "latency": "latency_tolerance",
            "confidence": "confidence",
            "minRequests": "min_requests",
            "warmup": "warmup",
        }
        policy = self.world.rollout.strategy.gate
        for name, value in zip(words[::2], words[1::2], strict=True):
            if name not in names:
                raise ValueError(f"{name} is none of {', '.join(names)}")
            change: dict[str, Any] = {names[name]: int(value) if name == "minRequests" else _number(value)}
            policy = replace(policy, **change)
        self.strategy(gate=policy)

    def first_release(self) -> None:
        self.world = World(replace(self.world.rollout, stable=""))

    def behave(self, what: str, words: list[str]) -> None:
        """`errors [stable] 5%`, `latency [stable] 60ms`, `latency +300ms`."""
        version = self.world.versions["stable" if words[0] == "stable" else "candidate"]
        value = words[-1]
        if what == "errors":
            version.errors = _number(value)
        elif value.startswith("+"):
            version.added = _number(value[1:]) * 1000
        else:
            version.latency, version.added = _number(value) * 1000, 0.0

    def health(self, health: Health, words: list[str]) -> None:
        self.world.candidate, self.world.reason = health, " ".join(words)

    def lose_memory(self) -> None:
        self.world.mesh = None

    def crash(self) -> None:
        self.world.pass_time(TICK)
        self.world.tick(save=False)


def _number(text: str) -> float:
    """Read `5%`, `300ms`, `10s`, `2m` or a plain number: fractions of 1, seconds."""
    for unit, factor in (("%", 0.01), ("ms", 0.001), ("s", 1.0), ("m", 60.0)):
        if text.endswith(unit):
            return float(text[: -len(unit)]) * factor
    return float(text)


def _steps(words: list[str]) -> tuple[Step, ...]:
    """Read `setWeight 10, analysis 60s, pause, pause 10s`."""
    steps: list[Step] = []
    for part in " ".join(words).split(","):
        name, *values = part.split()
        if name == "setWeight":
            steps.append(SetWeight(int(values[0])))
        elif name == "analysis":
            steps.append(Analysis(_number(values[0]) if values else 600.0))
        elif name == "pause":
            steps.append(Pause(_number(values[0]) if values else None))
        elif name != "none":
            raise ValueError(f"{name} is no step: setWeight, analysis, pause, none")
    return tuple(steps)


def _words(effect: Effect) -> str:
    match effect:
        case AskTraffic(intent):
            weights = ", ".join(f"{version} {percent} %" for version, percent in intent.weights.items())
            return f"ask generation {intent.generation}: {weights}; {intent.stable} is routable"
        case WithdrawTraffic(generation):
            return f"withdraw the service from the lane, generation {generation}"
        case Retire(version):
            return f"retire {version}"
        case Quarantine(reason):
            return f"quarantine: {reason}"
        case Report(state, text):
            return f"report {state}: {text}"
        case _:
            return {"DeployCandidate": "deploy the candidate", "MakeStable": "make it stable"}[type(effect).__name__]


COMMANDS: dict[str, Callable[[_Play, list[str]], None]] = {
    "steps": lambda play, words: play.strategy(steps=_steps(words)),
    "gate": lambda play, words: play.gate(words),
    "inconclusive": lambda play, words: play.strategy(on_inconclusive=words[0]),
    "on-newer": lambda play, words: play.strategy(on_newer=words[0]),
    "deadline": lambda play, words: play.strategy(progress_deadline=_number(words[0])),
    "first": lambda play, words: play.first_release(),
    "rps": lambda play, words: setattr(play.world, "rate", float(words[0])),
    "ready": lambda play, words: play.health(Health.READY, words),
    "starting": lambda play, words: play.health(Health.STARTING, words),
    "degraded": lambda play, words: play.health(Health.DEGRADED, words),
    "failing": lambda play, words: play.health(Health.FAILING, words),
    "absent": lambda play, words: play.health(Health.ABSENT, words),
    "stable": lambda play, words: setattr(play.world, "stable", Health(words[0])),
    "errors": lambda play, words: play.behave("errors", words),
    "latency": lambda play, words: play.behave("latency", words),
    "lag": lambda play, words: setattr(play.world, "lagging", tuple(words)),
    "ack": lambda play, words: setattr(play.world, "lagging", ()),
    "metrics": lambda play, words: setattr(play.world, "metrics", {"away": False, "back": True}[words[0]]),
    "mesh-forgets": lambda play, words: play.lose_memory(),
    "newer": lambda play, words: setattr(play.world, "newer", words[0]),
    "approve": lambda play, words: play.answer(words, approved=True),
    "reject": lambda play, words: play.answer(words, approved=False),
    "promote": lambda play, words: play.order("promote", words),
    "abort": lambda play, words: play.order("abort", words),
    "pause": lambda play, words: play.order("pause", words),
    "resume": lambda play, words: play.order("resume", words),
    "tick": lambda play, words: play.tick(_number(words[0])),
    "until": lambda play, words: play.tick(_number(words[1]), until=words[0]),
    "crash": lambda play, words: play.crash(),
}
