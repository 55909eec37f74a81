"""The state directory is closed to other users, whatever the umask, and when it was open before."""

import os
import stat

import pytest

from delivery.bootstrap import build
from delivery.embedded.leftovers import alone
from delivery.processes.private import make_private
from delivery.settings import Settings


@pytest.fixture(autouse=True)
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_made_closed(tmp_path):
    make_private(tmp_path / "a" / "state")
    assert mode(tmp_path / "a" / "state") == 0o700


def test_closed_when_it_was_open(tmp_path):
    (tmp_path / "state").mkdir(mode=0o755)
    make_private(tmp_path / "state")
    assert mode(tmp_path / "state") == 0o700


def test_of_somebody_else_left_alone(tmp_path, monkeypatch):
    tmp_path.chmod(0o775)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    make_private(tmp_path)
    assert mode(tmp_path) == 0o775


def test_every_process_that_makes_it_closes_it(tmp_path):
    with alone(tmp_path / "up"):
        assert mode(tmp_path / "up") == 0o700
    build(Settings(state_dir=tmp_path / "single"))
    assert mode(tmp_path / "single") == 0o700
