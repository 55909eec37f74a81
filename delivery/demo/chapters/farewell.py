"""Chapter 6: the branch is deleted; no process, no route and no file of its environment is left."""

from __future__ import annotations

from pathlib import Path

from delivery.demo.chapters.preview import BRANCH, SERVICE
from delivery.demo.doors import wait_for
from delivery.demo.stage import PROJECT, Stage, version_at

KINDS = ("processes", "routes", "files")


def play(stage: Stage) -> None:
    """Delete the branch and look for remains."""
    stage.teller.chapter(6, "The branch is deleted: nothing is left")
    before = _remains(stage)
    stage.claim(
        "Before: the preview has processes, routes and files",
        all(before),
        ", ".join(f"{len(each)} {kind}" for each, kind in zip(before, KINDS, strict=True)),
    )
    stage.teller.does(f"git push origin --delete {BRANCH}")
    stage.workspace.delete_remote(BRANCH)
    with stage.teller.doing("draining, stopping, removing"):
        wait_for("the environment to go", lambda: stage.doors.environment(PROJECT, BRANCH) is None, 60)
    for kind, left in zip(KINDS, _remains(stage), strict=True):
        stage.claim(f"None of its {kind} is left", not left, ", ".join(left) or "0")
    _, answer = stage.interleaved([f"{BRANCH}.{stage.host}"], 1)[0]
    stage.claim("Its URL is answered by the baseline, and the receipt says so",
                answer.status == 200 and version_at(answer, SERVICE)[0] == "", str(dict(answer.receipt)))  # fmt: skip


def _remains(stage: Stage) -> tuple[list[str], list[str], list[str]]:
    """Return what there is of the preview: processes, routes, files."""
    routes = [name for name in _routes(stage) if BRANCH in name]
    return _processes(stage.state_dir, BRANCH), routes, _files(stage.state_dir)


def _processes(state_dir: Path, color: str) -> list[str]:
    """Return the commands of processes whose command line or environment names the coloured workload."""
    found: list[str] = []
    marks = (f"/{color}/", f"-{color}-", f".{color}.", f"_{color}_")
    for proc in Path("/proc").iterdir():
        if not proc.name.isdigit():
            continue
        try:
            words = (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()
        except OSError:
            continue
        text = words.replace(b"\0", b" ").decode(errors="replace")
        if str(state_dir) in text and any(mark in text for mark in marks):
            found.append(text[:80])
    return found


def _routes(stage: Stage) -> list[str]:
    """Return every name the mesh still knows: routes, clusters, endpoints."""
    answer = stage.doors.get("mesh/routes") or {}
    return [str(route) for route in answer.get("items", [])]


def _files(state_dir: Path) -> list[str]:
    """Return files under the running state (not the ledger's logs of what was built) that name the colour."""
    return [
        str(path.relative_to(state_dir))
        for part in ("platform", "processes")
        for path in (state_dir / part).rglob(f"*{BRANCH}*")
    ]
