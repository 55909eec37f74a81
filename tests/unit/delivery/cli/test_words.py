"""Small words of the command line that people trip over: hosts out of URLs, time left, Node out of a wheel."""

import pytest

from delivery.cli import doctor
from delivery.cli.mesh import host_of
from delivery.cli.output import left


@pytest.mark.parametrize(
    ("asked", "host"),
    [
        ("http://blue.shop.localhost:8080/a?b", "blue.shop.localhost"),
        ("blue.shop.localhost:8080", "blue.shop.localhost"),
        ("blue.shop.localhost", "blue.shop.localhost"),
        ("reviews", "reviews"),
    ],
)
def test_host_of_what_people_paste(asked: str, host: str) -> None:
    assert host_of(asked) == host


@pytest.mark.parametrize(
    ("seconds", "words"), [(7 * 86_400 - 2, "in 7d"), (6 * 86_400, "in 6d"), (45, "in 45s"), (0, "over")]
)
def test_time_left_is_what_was_given(seconds: float, words: str) -> None:
    assert left(1000.0 + seconds, now=1000.0) == words


def test_missing_node_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise doctor.ProgramMissing("there is no node on PATH")

    monkeypatch.setattr(doctor, "node_folder", missing)
    finding = doctor._node()
    assert finding.good
    assert "no node" in finding.text
