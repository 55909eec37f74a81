"""What the gate tells people: numbers, the interval, and how much more it needs."""

from __future__ import annotations

from delivery.gates.judge import judge, observe, start_step
from delivery.gates.policy import GatePolicy
from delivery.gates.samples import Counts, Sample
from delivery.gates.verdict import Verdict

POLICY = GatePolicy(error_tolerance=0.01, latency_tolerance=0.0)


def after(seconds: int, errors_each: int = 0) -> Verdict:
    state = start_step({}, Sample(100.0, Counts(1000), Counts()))
    for t in range(1, seconds + 1):
        sample = Sample(100.0 + t, Counts(1000 + 45 * t), Counts(5 * t, errors_each * t))
        state = observe(state, POLICY, sample, sample.at)
    return judge(state, POLICY)


def test_a_hold_says_how_much_more_and_how_long() -> None:
    verdict = after(20)
    assert "0.00 % of 100 candidate requests failed" in verdict.sentence
    assert verdict.needs.startswith("about ")
    assert verdict.needs.endswith("at this rate")


def test_evidence_names_interval_counts_and_limits() -> None:
    evidence = after(20).evidence
    assert (evidence["from"], evidence["to"]) == (100.0, 120.0)
    assert evidence["candidate"] == {"requests": 100, "errors": 0}
    assert evidence["stable"] == {"requests": 900, "errors": 0}
    assert evidence["ruled_out"]["limit"] == 20.0
    assert evidence["ruled_out"]["margins"]["errors"] == 0.01


def test_a_failure_is_one_sentence_with_both_rates() -> None:
    sentence = after(20, errors_each=1).sentence
    assert sentence.startswith("20.00 % of ")
    assert "on the stable version at the same time 0.00 % of" in sentence
    assert "limit 1:100" in sentence


def test_suspicion_is_told_before_it_is_certain() -> None:
    state = start_step({}, Sample(0.0, Counts(1000), Counts()))
    for t in range(1, 16):
        sample = Sample(float(t), Counts(1000 + 45 * t), Counts(5 * t, min(t // 5, 2)))
        state = observe(state, POLICY, sample, sample.at)
    verdict = judge(state, POLICY)
    assert "looks worse, not yet certain" in verdict.sentence
