"""Owners: a process is told from a later one with its number, and other machines are never judged."""

from __future__ import annotations

import os
import subprocess
import sys

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


def test_other_machines_are_not_judged() -> None:
    assert not is_dead("elsewhere/1/2")
    assert not is_dead("nonsense")
