"""What counts as ready: only what this start of a process says."""

import asyncio
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


@pytest.mark.parametrize(("line", "good"), [(b"HTTP/1.1 200 OK", True), (b"HTTP/1.1 503 Down", False), (b"", False)])
async def test_only_an_answer_of_200_is_ready(me, tmp_path, line, good):
    async def answer(reader, writer):
        assert (await reader.readline()).startswith(b"GET /readyz ")
        writer.write(line + b"\r\n\r\n" if line else b"")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        ready = await is_ready(Readiness("http", port=port, path="/readyz"), me, LogMark(tmp_path / "log"))
    assert ready is good
