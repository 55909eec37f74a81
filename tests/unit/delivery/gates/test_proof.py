"""The proof is fair: a candidate worse by the margin is let through at most as often as promised."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from delivery.gates import proof

RATES = st.integers(0, 600).map(lambda thousandths: thousandths / 1000)


@given(st.integers(1, 25), st.integers(1, 60), RATES, st.floats(0.005, 0.3), st.floats(0.0, 0.9))
def test_a_window_is_fair_on_the_null_hypothesis(
    n_c: int, n_b: int, stable: float, margin: float, guessed: float
) -> None:
    """The exact expectation over both binomials is at most 1, however wrong the guessed rate is."""
    worse = min(stable + margin, 1.0)
    values = np.array(
        [
            [math.exp(proof.growth(n_c, k_c, n_b, k_b, guessed, margin)) for k_b in range(n_b + 1)]
            for k_c in range(n_c + 1)
        ]
    )
    weights = np.outer(binom.pmf(range(n_c + 1), n_c, worse), binom.pmf(range(n_b + 1), n_b, stable))
    if worse == stable + margin:
        assert (values * weights).sum() <= 1 + 1e-6


@given(st.integers(1, 500), st.integers(1, 5000), st.floats(0, 1), st.floats(0.001, 0.3))
def test_growth_is_always_a_number(n_c: int, n_b: int, rate: float, margin: float) -> None:
    for k_c, k_b in ((0, 0), (n_c, n_b), (n_c, 0), (0, n_b)):
        assert math.isfinite(proof.growth(n_c, k_c, n_b, k_b, rate, margin))


def test_rule_of_thumb_three_over_the_margin() -> None:
    """Without any error about 3 / margin candidate requests rule the margin out at 95 %."""
    windows = 0
    log = 0.0
    while log < math.log(proof.RULED_OUT):
        log += proof.growth(10, 0, 90, 0, 0.0, 0.05)
        windows += 1
    assert 60 <= 10 * windows <= 80


def test_one_side_alone_proves_nothing() -> None:
    assert proof.growth(0, 0, 90, 0, 0.01, 0.05) == 0.0
    assert proof.growth(10, 0, 0, 0, 0.01, 0.05) == 0.0


def test_expected_growth_predicts_the_real_one() -> None:
    dice = np.random.default_rng(7)
    n_c, n_b, rate, margin = 20, 180, 0.03, 0.05
    total = sum(
        proof.growth(n_c, int(dice.binomial(n_c, rate)), n_b, int(dice.binomial(n_b, rate)), rate, margin)
        for _ in range(400)
    )
    assert total / (400 * n_c) == pytest.approx(proof.per_request(n_c, n_b, rate, margin), rel=0.25)
