"""Memory of the idle embedded stack, and per added preview environment (PSS: shared pages counted once, by share).

Run: `python benchmarks/memory.py [--previews 3] [--json]`.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from embedded import first_push, report, stage

from delivery.demo.stage import PROJECT, Stage

SERVICE = "reviews"


def pss_megabytes(state_dir: Path) -> dict[str, float]:
    """Return name -> PSS in MB of all processes whose command line or environment names the state directory."""
    sizes: dict[str, float] = {}
    for proc in Path("/proc").iterdir():
        if not proc.name.isdigit():
            continue
        try:
            command = (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environment = (proc / "environ").read_bytes().decode(errors="replace")
            rollup = (proc / "smaps_rollup").read_text()
        except OSError:
            continue
        if str(state_dir) in command + environment:
            match = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
            sizes[f"{proc.name} {command[:60]}"] = int(match.group(1)) / 1024 if match else 0.0
    return sizes


def preview(raised: Stage, number: int) -> None:
    """Add a preview environment that changes one service."""
    raised.workspace.branch(f"idea{number}")
    raised.workspace.behave(SERVICE, f"idea {number}")
    revision = raised.workspace.push(f"idea {number}", f"idea{number}")
    raised.doors.ended_run(PROJECT, revision)
    raised.workspace.switch("main")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--previews", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with stage() as raised:
        empty = pss_megabytes(raised.state_dir)
        first_push(raised)
        baseline = sum(pss_megabytes(raised.state_dir).values())
        for number in range(arguments.previews):
            preview(raised, number)
        full = sum(pss_megabytes(raised.state_dir).values())
    figures = {
        "idle stack, no project (MB PSS)": f"{sum(empty.values()):.0f} in {len(empty)} processes",
        "with the bookshop: 4 applications and 4 sidecars (MB PSS)": f"{baseline:.0f}",
        "per added preview of one service (MB PSS)": f"{(full - baseline) / arguments.previews:.0f}",
    }
    report("memory", figures, arguments.json)


if __name__ == "__main__":
    main()
