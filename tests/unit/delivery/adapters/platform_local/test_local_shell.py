"""A shell of the local platform: real programs at a real pseudo-terminal."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from delivery.adapters.platform_local import console
from delivery.adapters.platform_local.console import LocalShell
from delivery.errors import Rejected
from tests.fakes.background import wait_for


@pytest.fixture
def shell(tmp_path) -> Iterator[LocalShell]:
    opened = LocalShell(["sh"], tmp_path, dict(os.environ))
    yield opened
    opened.close()


def hear(shell: LocalShell, words: bytes) -> None:
    said = b""

    def heard() -> bool:
        nonlocal said
        said += shell.read(0.1) or b""
        return words in said

    wait_for(f"{words!r}", heard)


def test_ctrl_c_interrupts_the_program_and_not_the_shell(shell):
    shell.write(b"echo read''y; sleep 60\n")
    hear(shell, b"ready")
    shell.write(b"\x03")
    shell.write(b"echo sti''ll here\n")
    hear(shell, b"still here")


def test_keystrokes_nobody_reads_do_not_hold_the_caller(shell, monkeypatch):
    monkeypatch.setattr(console, "STALLED", 0.1)
    shell.write(b"stty raw -echo; echo read''y; sleep 60\n")
    hear(shell, b"ready")
    began = time.monotonic()
    shell.write(b"x" * 1_000_000)
    assert time.monotonic() - began < 30


def test_a_program_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Rejected, match="no such program"):
        LocalShell(["colorlane-is-no-program"], tmp_path, dict(os.environ))
