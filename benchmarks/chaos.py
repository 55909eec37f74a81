"""kill -9 of a random own process at a random moment of a canary under load; counts what users noticed.

Victims: every process of Colorlane that is not itself in the path of a request (workers, API, control plane, agent,
Redis). Target: 0 failed user requests and 0 rollouts not ended right in 20 runs.
Run: `python benchmarks/chaos.py [--rounds 20] [--seed 1] [--json]`.
"""

from __future__ import annotations

import argparse
import random
import signal
import time

from embedded import first_push, report, set_canary, stage

from delivery.demo.doors import wait_for
from delivery.demo.stage import PROJECT, Stage

SERVICE = "reviews"
VICTIMS = ("worker-control", "worker-build", "api", "mesh", "agent", "redis")
STEPS = [
    {"setWeight": 10},
    {"pause": {"duration": "3s"}},
    {"setWeight": 50},
    {"pause": {"duration": "3s"}},
    {"setWeight": 100},
]


def one(raised: Stage, number: int, dice: random.Random) -> tuple[str, int, int, str]:
    """Return (victim, failed requests, requests, how the rollout ended)."""
    victim, delay = dice.choice(VICTIMS), dice.uniform(0.0, 7.0)
    raised.workspace.behave(SERVICE, f"good {number}", text=f"good {number}")
    with raised.load(50) as load:
        revision = raised.workspace.push(f"good {number}", "main")
        wait_for("the rollout", lambda: raised.doors.rollout_of(PROJECT, revision, SERVICE), 60)
        time.sleep(delay)
        raised.stack.kill(victim, signal.SIGKILL)
        row = raised.doors.rollout_when(PROJECT, revision, SERVICE, lambda row: False, "the end", 120)
    right = row["phase"] == "promoted" and raised.stable_version(SERVICE) == row["candidate"]
    failed = load.count(lambda answer: answer.failed)
    return victim, failed, len(load.answers), "right" if right else f"{row['phase']}: {row['message']}"


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    dice = random.Random(arguments.seed)
    with stage() as raised:
        set_canary(raised, STEPS)
        first_push(raised)
        rounds = [one(raised, number, dice) for number in range(arguments.rounds)]
    wrong = [f"{victim}: {end}" for victim, _, _, end in rounds if end != "right"]
    figures = {
        "killed": ", ".join(victim for victim, _, _, _ in rounds),
        "failed user requests, target 0": f"{sum(row[1] for row in rounds)} of {sum(row[2] for row in rounds)}",
        "rollouts not ended right, target 0": "; ".join(wrong) or "0",
        "by round (victim: failed)": ", ".join(f"{victim}: {failed}" for victim, failed, _, _ in rounds),
    }
    report("chaos", figures, arguments.json)


if __name__ == "__main__":
    main()
