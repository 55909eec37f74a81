"""How long an environment lives, as people write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.environments import SECONDS, read_duration


@given(st.integers(0, 99_999), st.sampled_from(sorted(SECONDS)))
def test_a_number_and_a_unit(number: int, unit: str) -> None:
    assert read_duration(f"{number}{unit}") == number * SECONDS[unit]


@pytest.mark.parametrize("text", ["", "d", "7", "7 d", "-7d", "7y", "1.5h", "٧d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        read_duration(text)
