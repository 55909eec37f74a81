"""Owners: a process is told from a later one with its number, and other machines are never judged."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from delivery.worker.owners import is_dead, this_process


def test_this_process_lives() -> None:
    assert not is_dead(this_process())


def test_process_that_ended_is_dead() -> None:
    code = "from delivery.worker.owners import this_process; print(this_process())"
    owner = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert owner != this_process()
    assert is_dead(owner)


def test_later_process_with_the_same_number_is_another() -> None:
    node, pid, started = this_process().split("/")
    assert int(pid) == os.getpid()
    assert is_dead(f"{node}/{pid}/{int(started) - 1}")


def test_a_restarted_container_of_a_named_place_knows_that_its_predecessor_is_dead() -> None:
    mine = this_process("web-7d9/worker-control")
    assert mine.startswith("web-7d9.worker-control/")
    assert not is_dead(mine, "web-7d9/worker-control")
    assert is_dead("web-7d9.worker-control/1/1", "web-7d9/worker-control"), "number 1 started at another time"
    assert not is_dead("web-7d9.worker-build/1/1", "web-7d9/worker-control"), "the container beside it"


def test_another_container_of_the_same_host_name_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    there = this_process()
    monkeypatch.setattr("os.readlink", lambda _: "pid:[4026539999]")
    assert this_process() != there
    assert not is_dead(f"{there.split('/')[0]}/{os.getpid()}/1")
    assert is_dead(f"{this_process().split('/')[0]}/{os.getpid()}/1")


def test_other_machines_are_not_judged() -> None:
    assert not is_dead("elsewhere/1/2")
    assert not is_dead("nonsense")
