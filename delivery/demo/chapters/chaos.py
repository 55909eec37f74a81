"""Chapter 5: worker, API and control plane are killed in the middle of a canary; nobody notices."""

from __future__ import annotations

import signal
from collections.abc import Callable

from delivery.demo.chapters.canary import approve, waiting_for_approval
from delivery.demo.doors import Row, wait_for
from delivery.demo.stage import PROJECT, Stage, version_at

SERVICE = "reviews"
VICTIMS = ("worker-control", "api", "mesh")


def play(stage: Stage) -> None:
    """Release a good version under load and kill -9 what drives it, one after the other."""
    stage.teller.chapter(5, "kill -9: worker, API, control plane, in the middle of a canary")
    stage.workspace.switch("main")
    stage.workspace.behave(SERVICE, "v5", text="Even better reviews")
    with stage.load() as load:
        revision = stage.workspace.push("Reviews v5", "main")
        with stage.teller.doing("canary gets 10 %"):
            stage.doors.rollout_when(PROJECT, revision, SERVICE, lambda row: row["weight"] == 10, "the canary", 120)
        for victim in VICTIMS:
            _kill(stage, victim)
        with stage.teller.doing("the rollout goes on by itself"):
            row = waiting_for_approval(stage, revision)
            if row["phase"] == "progressing":
                approve(stage, row)
            row = stage.doors.rollout_when(PROJECT, revision, SERVICE, lambda row: False, "the end", 180)
    failed = load.count(lambda answer: answer.failed)
    hit = load.count(lambda answer: version_at(answer, SERVICE)[1] == row["candidate"])
    stage.claim("The rollout ended right", _ended_right(stage, row), row["message"])
    stage.claim("Zero user requests failed", failed == 0, f"{load.failures()}; {hit} by the new version")


def _kill(stage: Stage, name: str) -> None:
    old = stage.stack.pid_of(name)
    stage.stack.kill(name, signal.SIGKILL)
    back = wait_for(f"{name} to come back", _new_pid(stage, name, old), 30)
    stage.claim(f"{name} was killed with SIGKILL and came back", back != old, f"pid {old} → {back}")


def _new_pid(stage: Stage, name: str, old: int | None) -> Callable[[], int | None]:
    def look() -> int | None:
        pid = stage.stack.pid_of(name)
        return pid if pid and pid != old else None

    return look


def _ended_right(stage: Stage, row: Row) -> bool:
    return bool(row["phase"] == "promoted") and stage.stable_version(SERVICE) == row["candidate"]
