"""The nouns' few rules: how the baseline is written, which versions an intent must reach."""

from __future__ import annotations

import pytest

from mesh.model.nouns import BASELINE, Intent, LaneKey, read_color, written


@pytest.mark.parametrize(("color", "text"), [(BASELINE, "-"), ("alice", "alice")])
def test_colours_are_written_and_read_back(color: str, text: str) -> None:
    assert written(color) == text
    assert read_color(text) == color


def test_a_lane_names_itself() -> None:
    assert str(LaneKey("bookshop", "reviews", BASELINE)) == "bookshop/reviews/-"


def test_an_intent_reaches_the_stable_version_first_and_each_version_once() -> None:
    intent = Intent(LaneKey("n", "s", ""), 1, stable="m", weights={"z": 10, "m": 80, "a": 10})
    assert intent.versions == ("m", "a", "z")


def test_the_stable_version_is_routable_without_any_weight() -> None:
    assert Intent(LaneKey("n", "s", ""), 1, stable="m").versions == ("m",)
