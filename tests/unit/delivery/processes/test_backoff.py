"""Back-off grows, is bounded, and forgives a long run."""

from hypothesis import given
from hypothesis import strategies as st

from delivery.processes.backoff import Backoff

BACKOFF = Backoff(first=0.2, factor=2, ceiling=5, forgiven_after=10)


def test_delays_double_up_to_the_ceiling():
    assert [BACKOFF.delay(n) for n in range(1, 7)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5]


def test_a_long_run_is_forgiven():
    assert BACKOFF.count(4, ran_for=1) == 5
    assert BACKOFF.count(4, ran_for=10) == 1


@given(st.integers(min_value=0, max_value=10**9))
def test_delay_is_always_within_bounds(failures):
    assert 0.2 <= BACKOFF.delay(failures) <= 5
