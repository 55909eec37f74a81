"""What `colorlane service ...` prints, and which lines of a followed log are new."""

from __future__ import annotations

from dataclasses import replace

import pytest

from delivery.cli.service import fresh_lines
from delivery.workloads import WorkloadKey, WorkloadSpec


@pytest.fixture
def running(house):
    row = house.environment()
    house.store.environments.save(replace(row, workloads={"reviews": "v1"}))
    key = WorkloadKey("bookshop", "reviews", "alice", "v1")
    house.world.platform.apply(WorkloadSpec(key, 1, "sha256:" + "0" * 64, ()))
    return house


def test_a_bare_name_is_enough(running, colorlane):
    answer = colorlane("service", "replicas", "alice", "reviews")
    assert answer.code == 0
    assert answer.out.splitlines()[1].split()[:2] == ["reviews-v1-0", "ready"]


def test_acts_are_confirmed(running, colorlane):
    assert "reviews v1 is being restarted" in colorlane("service", "restart", "bookshop/alice", "reviews").out
    assert "is scaled to 3" in colorlane("service", "scale", "bookshop/alice", "reviews", "3").out
    assert "is scaled to auto" in colorlane("service", "scale", "bookshop/alice", "reviews", "auto").out
    assert "Restarted" in colorlane("service", "events", "bookshop/alice", "reviews").out
    assert "Nothing has been promoted" in colorlane("service", "history", "bookshop/alice", "reviews").out


def test_what_goes_wrong_says_what_to_do(running, colorlane):
    for words, code, said in (
        (("service", "scale", "bookshop/alice", "reviews", "many"), 2, "no number of replicas"),
        (("service", "rollback", "bookshop/alice", "reviews", "--to", "v0"), 4, "service history"),
        (("service", "shell", "bookshop/alice", "reviews"), 2, "COLORLANE_SHELL_TOKEN"),
    ):
        answer = colorlane(*words)
        assert answer.code == code
        assert said in answer.err


@pytest.mark.parametrize(
    ("seen", "lines", "fresh"),
    [
        ([], ["[a] 1"], ["[a] 1"]),
        (["[a] 1", "[a] 2"], ["[a] 1", "[a] 2"], []),
        (["[a] 1", "[a] 2"], ["[a] 2", "[a] 3"], ["[a] 3"]),
        (["[a] 1", "[b] 1"], ["[a] 1", "[a] 2", "[b] 1", "[b] 2"], ["[a] 2", "[b] 2"]),
        (["[a] x", "[a] x"], ["[a] x", "[a] x", "[a] x"], ["[a] x"]),
        (["[a] 1"], ["[a] 7", "[a] 8"], ["[a] 7", "[a] 8"]),
    ],
)
def test_new_lines_of_a_followed_log(seen, lines, fresh):
    assert fresh_lines(seen, lines) == fresh
