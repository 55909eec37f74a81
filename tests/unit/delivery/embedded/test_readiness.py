"""What counts as ready: only what this start of a process says."""

import os

import pytest

from delivery.embedded.description import Readiness
from delivery.embedded.readiness import LogMark, is_ready, last_words
from delivery.processes.identity import identify
from delivery.processes.process import Process


@pytest.fixture
def me():
    return Process(identify(os.getpid()))


async def test_only_output_after_the_start_counts(tmp_path, me):
    path = tmp_path / "worker.log"
    path.write_text("up and running\n")
    log = LogMark(path)
    said = Readiness("log", text="up and running")
    assert not await is_ready(said, me, log)
    with path.open("a") as file:
        file.write("again up and running\n")
    assert await is_ready(said, me, log)


async def test_a_sign_of_life_of_an_earlier_process_does_not_count(tmp_path, me):
    file, log = tmp_path / "agent.json", LogMark(tmp_path / "log")
    sign = Readiness("pid", path=str(file))
    assert not await is_ready(sign, me, log)
    file.write_text('{"pid": 1}')
    assert not await is_ready(sign, me, log)
    file.write_text(f'{{"pid": {me.pid}}}')
    assert await is_ready(sign, me, log)


async def test_nobody_listening_is_not_ready(me, tmp_path):
    log = LogMark(tmp_path / "log")
    for kind in ("redis", "http", "envoy"):
        assert not await is_ready(Readiness(kind, port=1, path="/", listens=2), me, log)


def test_last_words(tmp_path):
    assert last_words(tmp_path / "none") == "  (it printed nothing)"
    (tmp_path / "log").write_text("a\nb\n")
    assert last_words(tmp_path / "log", 1) == "  b"
