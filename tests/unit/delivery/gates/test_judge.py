"""The gate's memory and answer: what rolls back, what passes, and what must never do either."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.gates.judge import judge, observe, replay, start_step, totals
from delivery.gates.policy import GatePolicy
from delivery.gates.samples import Counts, Sample
from delivery.gates.verdict import Outcome, Verdict

DEMO = GatePolicy(error_tolerance=0.05, latency_tolerance=0.25)
BOUNDS = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0)
NORMAL = (0.02, 0.1, 0.4, 0.7, 0.9, 0.99, 0.997, 1.0)  # share at or below each bound
SLOW = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.9, 0.98)


def reading(at: float, stable: tuple[float, float], candidate: tuple[float, float], shape: tuple[float, ...]) -> Sample:
    def counts(requests: float, errors: float, shares: tuple[float, ...]) -> Counts:
        whole = math.floor(requests + 1e-9)
        cells = [(bound, math.floor(whole * share)) for bound, share in zip(BOUNDS, shares, strict=True)]
        return Counts(whole, math.floor(errors + 1e-9), (*cells, (math.inf, whole)))

    return Sample(at, counts(2000 + stable[0], stable[1], NORMAL), counts(*candidate, shape))


def steady(seconds: int, errors: float = 0.0, shape: tuple[float, ...] = NORMAL, rps: float = 50.0) -> list[Sample]:
    """A tenth of the traffic on the candidate; requests and errors flow evenly."""
    return [
        reading(float(t), (0.9 * rps * t, 0.0), (0.1 * rps * t, 0.1 * rps * t * errors), shape)
        for t in range(seconds + 1)
    ]


def play(samples: list[Sample], policy: GatePolicy = DEMO) -> tuple[float | None, Verdict]:
    """Return when the first verdict other than inconclusive came, and that verdict."""
    state = start_step({}, samples[0])
    for sample in samples[1:]:
        state = observe(state, policy, sample, sample.at)
        verdict = judge(state, policy)
        if verdict.outcome is not Outcome.INCONCLUSIVE:
            return sample.at, verdict
    return None, judge(state, policy)


def test_healthy_candidate_passes_within_forty_seconds() -> None:
    at, verdict = play(steady(90))
    assert verdict.outcome is Outcome.PASSED
    assert at is not None
    assert 10 <= at <= 40
    assert "ruled out at 95 %" in verdict.sentence


def test_five_percent_errors_fail_within_25_seconds() -> None:
    at, verdict = play(steady(90, errors=0.05))
    assert verdict.outcome is Outcome.FAILED
    assert at is not None
    assert at <= 25
    assert "candidate requests failed" in verdict.sentence
    assert verdict.evidence["metric"] == "errors"
    assert verdict.evidence["against"]["total"] >= 100


def test_slow_candidate_fails_within_25_seconds() -> None:
    at, verdict = play(steady(90, shape=SLOW))
    assert verdict.outcome is Outcome.FAILED
    assert at is not None
    assert at <= 25
    assert "took longer than" in verdict.sentence


def test_dead_candidate_fails_within_six_seconds() -> None:
    at, verdict = play(steady(30, errors=1.0))
    assert verdict.outcome is Outcome.FAILED
    assert at is not None
    assert at <= 6


def test_one_burst_on_the_candidate_never_fails_it() -> None:
    samples = [
        reading(
            float(t), (45.0 * t, 0.0), (5.0 * t + min(max(t - 10, 0) * 20, 60), min(max(t - 10, 0) * 20, 60)), NORMAL
        )
        for t in range(60)
    ]
    state = start_step({}, samples[0])
    for sample in samples[1:]:
        state = observe(state, DEMO, sample, sample.at)
        assert judge(state, DEMO).outcome is not Outcome.FAILED


def test_no_reading_no_verdict() -> None:
    verdict = judge({}, DEMO)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.needs


def test_no_candidate_requests_is_never_a_pass() -> None:
    at, verdict = play([reading(float(t), (45.0 * t, 0.0), (0.0, 0.0), NORMAL) for t in range(300)])
    assert at is None
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "no request" in verdict.sentence


def test_no_stable_requests_is_never_a_pass() -> None:
    at, verdict = play([reading(float(t), (0.0, 0.0), (50.0 * t, 0.0), NORMAL) for t in range(300)])
    assert at is None
    assert "nothing to compare" in verdict.sentence


def test_without_latencies_a_policy_that_wants_them_cannot_pass() -> None:
    bare = [
        replace(s, stable=replace(s.stable, latency=()), candidate=replace(s.candidate, latency=()))
        for s in steady(200)
    ]
    assert play(bare)[0] is None
    assert play(bare, replace(DEMO, latency_tolerance=0.0))[1].outcome is Outcome.PASSED


def test_min_requests_holds_a_pass_back() -> None:
    _, verdict = play(steady(100), replace(DEMO, min_requests=10_000))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "more requests" in verdict.needs


def test_counter_restart_skips_the_window_for_both_and_nothing_else() -> None:
    samples = steady(20)
    state = start_step({}, samples[0])
    for sample in samples[1:11]:
        state = observe(state, DEMO, sample, sample.at)
    counted = state["counts"]
    state = observe(state, DEMO, Sample(11.0, samples[11].stable, Counts(3, 3)), 11.0)
    assert state["counts"] == counted
    assert state["skipped"] == 1
    assert judge(state, DEMO).outcome is Outcome.INCONCLUSIVE


def test_a_repeated_or_older_reading_changes_nothing() -> None:
    samples = steady(5)
    state = start_step({}, samples[0])
    for sample in samples[1:]:
        state = observe(state, DEMO, sample, sample.at)
    assert observe(state, DEMO, samples[5], 99.0) == state
    assert observe(state, DEMO, samples[3], 99.0) == state


def test_a_failed_gate_stays_failed_with_the_numbers_it_failed_on() -> None:
    samples = steady(60, errors=0.5)
    state = start_step({}, samples[0])
    sentences = set()
    for sample in samples[1:]:
        state = observe(state, DEMO, sample, sample.at)
        verdict = judge(state, DEMO)
        if verdict.outcome is Outcome.FAILED:
            sentences.add(verdict.sentence)
    assert len(sentences) == 1
    assert judge(start_step(state, samples[-1]), DEMO).outcome is Outcome.FAILED


def test_a_new_weight_needs_a_new_proof_but_keeps_the_evidence() -> None:
    samples = steady(60)
    state = start_step({}, samples[0])
    for sample in samples[1:]:
        state = observe(state, DEMO, sample, sample.at)
    assert judge(state, DEMO).outcome is Outcome.PASSED
    moved = start_step(state, samples[-1])
    assert totals(moved) == totals(state)
    assert judge(moved, DEMO).outcome is Outcome.INCONCLUSIVE


def test_warmup_counts_only_total_failure() -> None:
    patient = replace(DEMO, warmup=30.0)
    at, _ = play(steady(29, errors=0.3), patient)
    assert at is None
    at, _ = play(steady(29, errors=1.0), patient)
    assert at is not None


@pytest.mark.parametrize("errors", [0.0, 0.05, 1.0])
def test_replay_equals_what_was_stored_bit_for_bit(errors: float) -> None:
    samples = steady(50, errors=errors)
    state: dict[str, object] = {}
    state = observe(state, DEMO, samples[0], 0.0)
    state = start_step(state, samples[0])
    for sample in samples[1:]:
        state = json.loads(json.dumps(observe(state, DEMO, sample, sample.at)))
    assert replay([samples[0], None, *samples[1:]], DEMO) == judge(state, DEMO)


def test_state_stays_small() -> None:
    samples = steady(300)
    state = start_step({}, samples[0])
    for sample in samples[1:]:
        state = observe(state, DEMO, sample, sample.at)
    assert len(json.dumps(state)) < 4000


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 8), st.integers(0, 8)), max_size=40))
def test_any_traffic_gives_an_answer_with_words(ticks: list[tuple[int, int, int, int]]) -> None:
    stable, candidate = [0, 0], [0, 0]
    state = start_step({}, Sample(0.0, Counts(), Counts()))
    for at, (n_b, k_b, n_c, k_c) in enumerate(ticks, start=1):
        stable = [stable[0] + n_b, stable[1] + min(k_b, n_b)]
        candidate = [candidate[0] + n_c, candidate[1] + min(k_c, n_c)]
        state = observe(state, DEMO, Sample(float(at), Counts(*stable), Counts(*candidate)), float(at))
        verdict = judge(state, DEMO)
        assert verdict.sentence.endswith(".")
        json.dumps(verdict.evidence, allow_nan=False)


def test_readings_in_quick_succession_are_taken_together() -> None:
    """Ticks twice a second must not make two groups of what one tick a second sees as one."""
    every_second, twice = start_step({}, steady(0)[0]), start_step({}, steady(0)[0])
    for t in range(1, 61):
        half = reading(t - 0.5, (45.0 * (t - 0.5), 0.0), (5.0 * (t - 0.5), 0.3 * t), NORMAL)
        whole = reading(float(t), (45.0 * t, 0.0), (5.0 * t, 0.3 * t), NORMAL)
        every_second = observe(every_second, DEMO, whole, whole.at)
        twice = observe(observe(twice, DEMO, half, half.at), DEMO, whole, whole.at)
    assert totals(twice) == totals(every_second)


def test_a_source_that_skips_a_refresh_does_not_split_a_burst() -> None:
    state = start_step({}, steady(0)[0])
    for t in range(1, 4):
        fresh = t if t != 2 else 1
        sample = reading(float(t), (45.0 * fresh, 0.0), (5.0 * fresh, 4.0 * fresh), NORMAL)
        state = observe(state, DEMO, sample, sample.at)
    assert state["errors"]["t"] == 0
