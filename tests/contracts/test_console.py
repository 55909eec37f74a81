"""What people do to a running workload, on every side of the Platform port: the sides are those of test_platform."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from delivery.errors import NotFound, Rejected
from delivery.workloads import Health, WorkloadKey
from tests.contracts.platform_sides import Side, opened
from tests.fakes.background import wait_for
from tests.fakes.platform import FakePlatform

NOWHERE = WorkloadKey("bookshop", "ratings", "", "v9")


@pytest.fixture(params=["memory", pytest.param("local", marks=pytest.mark.integration)])
def side(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Side]:
    with opened(request.param, tmp_path) as made:
        yield made


def names(side: Side, key: WorkloadKey) -> set[str]:
    return {each.name for each in side.platform.replicas(key) if each.ready}


def test_replicas_are_shown(side):
    spec = side.spec(replicas=2)
    side.platform.apply(spec)
    side.until(spec.key, Health.READY)
    assert len(wait_for("two ready replicas", lambda: names(side, spec.key))) == 2
    assert side.platform.replicas(NOWHERE) == []


def test_a_restart_replaces_every_replica_once(side):
    spec = side.spec()
    side.platform.apply(spec)
    side.until(spec.key, Health.READY)
    before = [(each.name, each.started_at) for each in side.platform.replicas(spec.key)]
    at = time.time()
    for _ in range(2):
        side.platform.restart(spec.key, at)
    if not isinstance(side.platform, FakePlatform):
        wait_for(
            "another replica alone",
            lambda: (
                [each for each in side.platform.replicas(spec.key) if (each.name, each.started_at) not in before]
                and len(side.platform.replicas(spec.key)) == 1
            ),
        )
    side.until(spec.key, Health.READY)
    assert wait_for("words of what happened", lambda: side.platform.events(spec.key))
    with pytest.raises(NotFound):
        side.platform.restart(NOWHERE, at)


def test_scale_up_down_and_back(side):
    spec = side.spec(replicas=2)
    side.platform.apply(spec)
    side.until(spec.key, Health.READY)
    for asked, wanted in ((3, 3), (1, 1), (None, 2)):
        side.platform.scale(spec.key, asked)
        changed = [] if asked is None else [f"replicas: scaled to {asked}"]
        assert [line.removesuffix(" by hand") for line in side.platform.drift(spec.key)] == changed
        wait_for(f"{wanted} replicas", lambda wanted=wanted: len(names(side, spec.key)) == wanted)
    with pytest.raises(Rejected):
        side.platform.scale(spec.key, 10_000)
    with pytest.raises(NotFound):
        side.platform.scale(NOWHERE, 1)


def test_a_shell_answers_and_ends(side):
    spec = side.spec()
    side.platform.apply(spec)
    side.until(spec.key, Health.READY)
    shell = side.platform.shell(spec.key, "", ["sh"])
    try:
        shell.resize(80, 24)
        shell.write(b"echo colour-is-$((40+2))\n")
        said = b""

        def heard() -> bool:
            nonlocal said
            said += shell.read(0.2) or b""
            echoes = isinstance(side.platform, FakePlatform)
            return (b"colour-is-$((40+2))" if echoes else b"colour-is-42") in said

        wait_for("an answer", heard)
        shell.write(b"exit\n")
        wait_for("the end", lambda: shell.read(0.2) is None)
    finally:
        shell.close()
    with pytest.raises(NotFound):
        side.platform.shell(NOWHERE, "", ["sh"])
