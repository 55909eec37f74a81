"""Image references: Docker's short names written out, and what names nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import Rejected
from pipelines.images.references import DEFAULT_API, DEFAULT_LOGINS, Reference, parse_reference
from pipelines.images.references import DEFAULT_REGISTRY as HUB

DIGEST = f"sha256:{'0f' * 32}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python", Reference(HUB, "library/python")),
        ("python:3.12-slim", Reference(HUB, "library/python", "3.12-slim")),
        ("team/app", Reference(HUB, "team/app")),
        (f"{DEFAULT_LOGINS[1]}/team/app:1", Reference(HUB, "team/app", "1")),
        ("localhost/app", Reference("localhost", "app")),
        ("localhost:5000/a/b:1", Reference("localhost:5000", "a/b", "1")),
        (f"registry.example.com/a@{DIGEST}", Reference("registry.example.com", "a", "", DIGEST)),
        (f"r.io/a:1@{DIGEST}", Reference("r.io", "a", "1", DIGEST)),
    ],
)
def test_names(text: str, expected: Reference) -> None:
    assert parse_reference(text) == expected
    assert parse_reference(str(expected)) == expected


def test_the_hub_answers_elsewhere_than_it_is_called() -> None:
    assert parse_reference("python").host == DEFAULT_API
    assert parse_reference("python").target == "latest"
    assert parse_reference(f"python:3@{DIGEST}").target == DIGEST


@pytest.mark.parametrize("text", ["", "Upper", "a b", "r.io/", "/a", "a@sha256:12", "r.io/a:", "-r.io/a", "http://a/b"])
def test_what_names_no_image(text: str) -> None:
    with pytest.raises(Rejected):
        parse_reference(text)


@given(st.text(max_size=60))
def test_nothing_but_rejected_is_raised(text: str) -> None:
    try:
        found = parse_reference(text)
    except Rejected:
        return
    assert parse_reference(str(found)) == found
