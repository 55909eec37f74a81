"""docs/console.md: every command of its first block, against the API around an in-memory world."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

from delivery.workloads import WorkloadKey, WorkloadSpec
from tests.unit.delivery.api.conftest import House, house
from tests.unit.delivery.cli.conftest import colorlane

__all__ = ["colorlane", "house"]

PAGE = Path(__file__).parents[2] / "docs" / "console.md"


def test_every_command_works(house: House, colorlane) -> None:
    row = house.environment()
    house.store.environments.save(replace(row, workloads={"reviews": "v1"}))
    key = WorkloadKey("bookshop", "reviews", "alice", "v1")
    house.world.platform.apply(WorkloadSpec(key, 1, "sha256:" + "0" * 64, ()))
    block = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    commands = [shlex.split(line)[1:] for line in block.splitlines()]
    assert {words[1] for words in commands} >= {"replicas", "logs", "events", "restart", "scale", "drift", "history"}
    for words in commands:
        answer = colorlane(*words)
        assert answer.code == 0, (words, answer.err)
