"""The job log: streams, keeps head and tail of what is too long, and stays small itself."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.logs import JobLog


def test_output_is_in_the_file_at_once(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "run" / "job.log")
    log.write(b"one\ntw")
    assert (tmp_path / "run" / "job.log").read_bytes() == b"one\ntw"
    log.note("told")
    assert (tmp_path / "run" / "job.log").read_bytes() == b"one\ntw\n[colorlane] told\n"
    log.close()


def test_a_second_attempt_appends(tmp_path: Path) -> None:
    for text in (b"first\n", b"second\n"):
        with JobLog(tmp_path / "job.log") as log:
            log.write(text)
    assert (tmp_path / "job.log").read_bytes() == b"first\nsecond\n"


def test_of_too_much_output_head_and_tail_are_kept(tmp_path: Path) -> None:
    with JobLog(tmp_path / "job.log", limit=10_000) as log:
        for number in range(100_000):
            log.write(b"line %06d\n" % number)
        log.note("the end")
    text = (tmp_path / "job.log").read_text()
    lines = text.splitlines()
    assert len(text) < 10_300
    assert lines[0] == "line 000000"
    assert lines[-2:] == ["line 099999", "[colorlane] the end"]
    assert any(line.endswith("bytes left out here") for line in lines)


def test_memory_stays_flat(tmp_path: Path) -> None:
    with JobLog(tmp_path / "job.log", limit=100_000) as log:
        for _ in range(1000):
            log.write(b"x" * 65536)
            assert len(log._tail) <= 2 * 20_000 + 65536
    assert (tmp_path / "job.log").stat().st_size < 100_300


def test_last_line_is_cleaned_and_short(tmp_path: Path) -> None:
    with JobLog(tmp_path / "job.log") as log:
        log.write(b"a\n\x1b[31mError: no\x1b[0m\x07\n\n   \n")
        assert log.last_line() == "Error: no"
        log.write(b"y" * 10_000)
        assert log.last_line() == "y" * 200


@given(chunks=st.lists(st.binary(max_size=300), max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_nothing_is_lost_below_the_limit_and_never_more_kept_above(tmp_path: Path, chunks: list[bytes]) -> None:
    path = tmp_path / "job.log"
    path.unlink(missing_ok=True)
    with JobLog(path, limit=1000) as log:
        for chunk in chunks:
            log.write(chunk)
    whole = b"".join(chunks)
    if len(whole) < 800:
        assert path.read_bytes() == whole
    else:
        assert path.read_bytes().startswith(whole[:800])
        assert path.stat().st_size < 1000 + 200


def test_last_words_of_an_earlier_command_are_not_those_of_a_silent_one(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "log")
    log.write(b"built\n")
    log.note("test: false")
    assert log.last_line() == ""
    log.close()
