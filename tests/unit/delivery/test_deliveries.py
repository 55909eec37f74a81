"""What a push says about its ref."""

from __future__ import annotations

import pytest

from delivery.deliveries import Push


@pytest.mark.parametrize(
    ("ref", "branch"),
    [
        ("refs/heads/main", "main"),
        ("refs/heads/feature/refs/heads/x", "feature/refs/heads/x"),
        ("refs/tags/v1", ""),
        ("main", ""),
        ("", ""),
    ],
)
def test_branch_is_the_name_of_a_head_and_nothing_else(ref: str, branch: str) -> None:
    assert Push(ref, before="", after="1").branch == branch
