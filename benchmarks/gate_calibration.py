"""How often the gate is wrong, and how fast it is right: healthy and sick candidates, beside Flagger's thresholds.

Each scenario runs many simulated canaries at a fixed weight; both judges see the same readings. Flagger's side is its
rule with the figures of its documentation: each minute, success of the candidate at least 99 % and its 99th percentile
at most 500 ms, a minute without data is a failed check; five failed checks, at the next tick, roll back.
Run: `python benchmarks/gate_calibration.py [--runs 40] [--seconds 600] [--only TEXT] [--json]`.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from gate_traffic import Traffic, readings

from delivery.gates.judge import judge, observe, start_step
from delivery.gates.policy import GatePolicy
from delivery.gates.samples import Sample
from delivery.gates.verdict import Outcome

DEFAULT = GatePolicy()
DEMO = GatePolicy(error_tolerance=0.05, latency_tolerance=0.25)
WARM = GatePolicy(warmup=30.0)

HEALTHY = [
    (Traffic("demo: 50 rps, no errors", rps=50, errors=0.0), DEMO),
    (Traffic("demo: 50 rps, 5 ms", rps=50, errors=0.0, median_ms=5, spread=0.4), DEMO),
    (Traffic("0.1 % errors, 100 rps"), DEFAULT),
    (Traffic("1 % errors", errors=0.01), DEFAULT),
    (Traffic("2 % errors", errors=0.02), DEFAULT),
    (Traffic("0.5 %, 1000 rps at 50 %", rps=1000, weight=0.5, errors=0.005), DEFAULT),
    (Traffic("0.5 %, 1 rps at 50 %", rps=1, weight=0.5, errors=0.005), DEFAULT),
    (Traffic("0.1 rps at 50 %", rps=0.1, weight=0.5), DEFAULT),
    (Traffic("load and errors drift", errors=0.005, drift=True), DEFAULT),
    (Traffic("shared incident, min 2-7", incident=(120, 420)), DEFAULT),
    (Traffic("error bursts, mean 20", bursts=(5, 20)), DEFAULT),
    (Traffic("error bursts, 50 rps", rps=50, errors=0.0, bursts=(10, 20)), DEFAULT),
    (Traffic("error bursts at 50 %", weight=0.5, bursts=(5, 20)), DEFAULT),
    (Traffic("error bursts at 90 %", weight=0.9, bursts=(5, 20)), DEFAULT),
    (Traffic("cold start, warmup 30 s", cold=True), WARM),
    (Traffic("node effect, sd 5 %", node_effect=0.05), DEFAULT),
    (Traffic("pauses of 3 s", pauses=3), DEFAULT),
    (Traffic("pauses of 10 s", pauses=10), DEFAULT),
]
SICK = [
    (Traffic("issue: 5 % errors, 50 rps", rps=50, errors=0.0, worse_by=0.05), DEMO),
    (Traffic("issue: +300 ms, 50 rps", rps=50, errors=0.0, slower_ms=300), DEMO),
    (Traffic("all fail", worse_by=1.0), DEFAULT),
    (Traffic("20 % errors", worse_by=0.2), DEFAULT),
    (Traffic("5 % errors at 50 %", rps=50, weight=0.5, errors=0.0, worse_by=0.05), DEMO),
    (Traffic("x5 of 1 %", errors=0.01, worse_times=5), DEFAULT),
    (Traffic("x5 of 0.1 %", worse_times=5), DEFAULT),
    (Traffic("+1 point on 0.1 %", worse_by=0.01), DEFAULT),
    (Traffic("x5 of 0.5 % with bursts", errors=0.005, worse_times=5, bursts=(5, 20)), DEFAULT),
    (Traffic("x5 of 0.5 % after 5 min", errors=0.005, worse_times=5, onset=300), DEFAULT),
    (Traffic("+30 % for 20 s each 2 min", intermittent=(120, 20, 0.3)), DEFAULT),
    (Traffic("latency +50 %", slower_times=1.5), DEFAULT),
    (Traffic("latency +20 %", slower_times=1.2), DEFAULT),
    (Traffic("2 % take a second", tail=0.02), DEFAULT),
]


@dataclass(frozen=True)
class Row:
    """What one judge said in one scenario: shares of runs, and seconds (median, 90th percentile) from the weight."""

    scenario: str
    healthy: bool
    runs: int
    failed: float
    passed: float
    seconds_to_fail: tuple[float, float] | None
    seconds_to_pass: tuple[float, float] | None
    flagger_failed: float
    flagger_seconds: tuple[float, float] | None


def gate_run(samples: Sequence[Sample], policy: GatePolicy) -> tuple[float | None, float | None]:
    """Return when the gate failed and when it first passed, in seconds; a failure ends the run."""
    state = start_step({}, samples[0])
    passed = None
    for sample in samples[1:]:
        state = observe(state, policy, sample, sample.at)
        outcome = judge(state, policy).outcome
        if outcome is Outcome.FAILED:
            return sample.at, passed
        if outcome is Outcome.PASSED and passed is None:
            passed = sample.at
    return None, passed


def flagger_run(samples: Sequence[Sample], interval: int = 60, threshold: int = 5) -> float | None:
    """Return when Flagger's rule rolls back, in seconds."""
    failed = 0
    for end in range(interval, len(samples), interval):
        if failed >= threshold:
            return samples[end].at
        before, after = samples[end - interval].candidate, samples[end].candidate
        requests = after.requests - before.requests
        if requests == 0:
            failed += 1
            continue
        fast = _at_most(after.latency, 500.0) - _at_most(before.latency, 500.0)
        success = 1 - (after.errors - before.errors) / requests
        failed += success < 0.99 or fast / requests < 0.99
    return None


def _at_most(histogram: Sequence[tuple[float, int]], bound: float) -> int:
    return next(count for each, count in histogram if each >= bound)


def measure(traffic: Traffic, policy: GatePolicy, healthy: bool, runs: int, seconds: int, seed: int) -> Row:
    """Run one scenario."""
    fails: list[float] = []
    passes: list[float] = []
    flagger: list[float] = []
    for run in range(runs):
        samples = list(readings(traffic, seconds, seed * 100_000 + run))
        failed, passed = gate_run(samples, policy)
        fails += [] if failed is None else [failed - traffic.onset]
        passes += [] if passed is None or failed is not None else [passed]
        theirs = flagger_run(samples)
        flagger += [] if theirs is None else [theirs - traffic.onset]
    return Row(
        traffic.name, healthy, runs, len(fails) / runs, len(passes) / runs, _spread(fails), _spread(passes),
        len(flagger) / runs, _spread(flagger),
    )  # fmt: skip


def _spread(values: list[float]) -> tuple[float, float] | None:
    if not values:
        return None
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, math.ceil(0.9 * len(ordered)) - 1)]


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| scenario | runs | gate failed | s to fail (p50, p90) | gate passed | s to pass (p50, p90) "
        "| Flagger rolled back | s (p50, p90) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {'healthy' if row.healthy else 'sick'}: {row.scenario} | {row.runs} | {row.failed:.1%} "
            f"| {_cell(row.seconds_to_fail)} | {row.passed:.1%} | {_cell(row.seconds_to_pass)} "
            f"| {row.flagger_failed:.1%} | {_cell(row.flagger_seconds)} |"
        )
    healthy = [row for row in rows if row.healthy]
    if healthy:
        runs = sum(row.runs for row in healthy)
        ours = sum(row.failed * row.runs for row in healthy)
        theirs = sum(row.flagger_failed * row.runs for row in healthy)
        lines.append(f"\nFalse rollbacks of {runs} healthy canaries: gate {ours:.0f}, Flagger {theirs:.0f}.")
    return "\n".join(lines)


def _cell(spread: tuple[float, float] | None) -> str:
    return f"{spread[0]:.0f}, {spread[1]:.0f}" if spread else "-"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    scenarios = [(traffic, policy, True) for traffic, policy in HEALTHY] + [(t, p, False) for t, p in SICK]
    rows = [
        measure(replace(traffic), policy, healthy, arguments.runs, arguments.seconds, arguments.seed + number)
        for number, (traffic, policy, healthy) in enumerate(scenarios)
        if arguments.only in traffic.name
    ]
    print(json.dumps([asdict(row) for row in rows], indent=2) if arguments.json else table(rows))


if __name__ == "__main__":
    main()
