"""A colour is always a usable DNS label, always the same for a branch, and never somebody else's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.colors import MAX_LENGTH, RESERVED, choose_color, is_color


@pytest.mark.parametrize(
    ("branch", "color"),
    [
        ("alice", "alice"),
        ("feature/ÄÖ_x", "feature-aeoe-x"),
        ("Feature/Login", "feature-login"),
        ("fix/été--naïve", "fix-ete-naive"),
        ("123-bug", "123-bug"),
        ("straße", "strasse"),
        ("a" * 40, "a" * 40),
    ],
)
def test_readable_names_stay_readable(branch: str, color: str) -> None:
    assert choose_color(branch, ()) == color


@pytest.mark.parametrize("branch", ["x" * 200, "🚀🚀", "-", "", "www", "Production", "功能", "a" * 39 + "--b"])
def test_names_that_are_no_label_get_a_hash(branch: str) -> None:
    color = choose_color(branch, ())
    assert is_color(color)
    assert color not in RESERVED
    assert color[-7] == "-"


def test_two_branches_with_one_label_get_two_colors() -> None:
    first = choose_color("feature/login", ())
    second = choose_color("feature-login", {first})
    assert first == "feature-login"
    assert second.startswith("feature-login-")
    assert choose_color("feature-login", {first}) == second


def test_two_long_branches_differ_although_their_beginnings_do_not() -> None:
    assert choose_color("a" * 199 + "b", ()) != choose_color("a" * 199 + "c", ())


@given(st.text(max_size=250), st.sets(st.text(max_size=10)))
def test_always_a_color_that_is_free(branch: str, taken: set[str]) -> None:
    color = choose_color(branch, taken)
    assert is_color(color)
    assert len(color) <= MAX_LENGTH
    assert "--" not in color
    assert color not in taken
    assert color == choose_color(branch, taken)


@given(st.lists(st.text(alphabet="aA/-_.é", min_size=1, max_size=6), unique=True, max_size=30))
def test_environments_of_a_project_never_share_a_color(branches: list[str]) -> None:
    taken: list[str] = []
    for branch in branches:
        taken.append(choose_color(branch, taken))
    assert len(set(taken)) == len(branches)


def test_a_taken_hash_leads_to_another() -> None:
    first = choose_color("www", ())
    assert choose_color("www", {first}) not in {first, "www"}


@pytest.mark.parametrize("text", ["", "-", "a-", "-a", "a--b", "A", "a_b", "a" * 41, "ä"])
def test_what_is_no_color(text: str) -> None:
    assert not is_color(text)
