"""Rules of the local platform: whose they are, when they are loaded, and what a kernel that refuses does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from delivery.adapters.platform_local import capturing
from delivery.adapters.platform_local.capturing import FIRST_GROUP, Capturing, NotCaptured
from delivery.adapters.platform_local.plan import PodPlan, Probes, ReplicaPorts
from delivery.adapters.platform_local.records import ReplicaRecord
from delivery.errors import Rejected
from delivery.workloads import WorkloadKey
from mesh.capture import kernel
from mesh.errors import Rejected as Refused

PLAN = PodPlan(1, ("app",), "", (), (), (), Probes(), 1.0, {}, {})
PORTS = ReplicaPorts({}, {}, 20001, 20002, captured=20003, dns=20004)
RECORD = ReplicaRecord(WorkloadKey("shop", "reviews", "", "v1"), 0, "f", "a", PLAN, PORTS)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Rules as they would have been loaded."""
    texts: list[str] = []
    monkeypatch.setattr(kernel, "load", texts.append)
    monkeypatch.setattr(capturing, "require", lambda: None)
    return texts


def made(folder: Path, *, enabled: bool = True) -> Capturing:
    return Capturing(folder, folder / "capture", enabled=enabled)


def test_an_application_is_known_by_its_group_until_it_has_ended(tmp_path: Path, loaded: list[str]) -> None:
    rules = made(tmp_path)
    rules.begin([])
    rules.admit(RECORD)
    rules.admit(RECORD)
    assert len(loaded) == 2, "what is admitted already needs no rules"
    assert f"{FIRST_GROUP + 20003} : 20003" in loaded[-1]
    assert f"{FIRST_GROUP + 20003} : 20004" in loaded[-1]
    assert (tmp_path / "capture").exists()
    rules.dismiss(RECORD)
    assert "redirect" not in loaded[-1]
    assert not (tmp_path / "capture").exists()


def test_replicas_that_are_taken_over_keep_their_rules_without_a_gap(tmp_path: Path, loaded: list[str]) -> None:
    other = replace(RECORD, ordinal=1, ports=replace(PORTS, captured=0, dns=0))
    made(tmp_path).begin([RECORD, other])
    assert len(loaded) == 1
    assert loaded[0].count(str(FIRST_GROUP + 20003)) == 2


def test_without_capture_nothing_is_loaded_but_what_was_left_is_taken_away(tmp_path: Path, loaded: list[str]) -> None:
    off = made(tmp_path, enabled=False)
    off.begin([RECORD])
    off.admit(RECORD)
    assert loaded == []
    (tmp_path / "capture").touch()
    off.begin([RECORD])
    assert len(loaded) == 1
    assert "redirect" not in loaded[0]


def test_an_application_does_not_start_uncaptured(
    tmp_path: Path, loaded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str) -> None:
        raise Refused("nft failed: no")

    rules = made(tmp_path)
    rules.begin([])
    monkeypatch.setattr(kernel, "load", refuse)
    with pytest.raises(NotCaptured, match="nft failed: no"):
        rules.admit(RECORD)
    monkeypatch.undo()


def test_who_may_not_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "is_permitted", lambda: False)
    with pytest.raises(Rejected, match="root on Linux only") as refused:
        capturing.require()
    assert "HTTP_PROXY" in refused.value.remedy
