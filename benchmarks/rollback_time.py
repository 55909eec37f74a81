"""From "bad version got weight" to "weight is back at 0": time and failed requests, at 50 rps, 10 % weight, 5 % errors.

Target: median <= 30 s. Run: `python benchmarks/rollback_time.py [--rounds 7] [--json]`.
"""

from __future__ import annotations

import argparse

from embedded import first_push, report, set_canary, spread, stage

from delivery.demo.stage import PROJECT, Stage, version_at

SERVICE = "reviews"


def one(raised: Stage, round_number: int) -> tuple[float, int, int]:
    """Return (seconds at weight, failed user requests, requests that met the bad version)."""
    raised.workspace.behave(SERVICE, f"bad {round_number}", error_rate=0.05)
    with raised.load(50) as load:
        revision = raised.workspace.push(f"bad {round_number}", "main")
        row = raised.doors.rollout_when(PROJECT, revision, SERVICE, lambda row: False, "the rollback", 300)
    if row["phase"] != "rolled_back":
        raise SystemExit(f"round {round_number} ended {row['phase']}: {row['message']}")
    met = [answer.at for answer in load.answers if version_at(answer, SERVICE)[1] == row["candidate"]]
    return max(met) - min(met), load.count(lambda answer: answer.failed), len(met)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with stage() as raised:
        set_canary(raised, [{"setWeight": 10}, {"analysis": {"max": "5m"}}])
        first_push(raised)
        rounds = [one(raised, number) for number in range(arguments.rounds)]
    figures = {
        "first to last request on the bad version (s), target median <= 30": spread(
            [seconds for seconds, _, _ in rounds]
        ),
        "failed user requests": spread([float(failed) for _, failed, _ in rounds]),
        "requests that met the bad version": spread([float(met) for _, _, met in rounds]),
    }
    report("rollback_time", figures, arguments.json)


if __name__ == "__main__":
    main()
