"""A rollout in the middle of its life, and facts of a world where all is well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from delivery.gates.samples import Counts, Sample
from delivery.intents import TrafficState
from delivery.rollouts.model import Facts, Phase, Rollout, Strategy, first_generation
from delivery.workloads import Health


@pytest.fixture
def rollout() -> Callable[..., Rollout]:
    """Return a builder: `rollout(steps=(...), phase=...)`; generation 7000 unless given."""

    def build(steps: tuple[Any, ...] = (), **changes: Any) -> Rollout:
        fresh = Rollout(
            id="r1",
            project="shop",
            environment="shop/production",
            color="",
            service="reviews",
            stable="old",
            candidate="new",
            artifact="sha256:new",
            revision="c0ffee",
            ref="refs/heads/main",
            run="run1",
            strategy=Strategy(steps),
            phase=Phase.DEPLOYING,
            generation=first_generation(7),
            phase_started_at=1000.0,
        )
        return replace(fresh, **changes)

    return build


@pytest.fixture
def facts() -> Callable[..., Facts]:
    """Return a builder: everything ready, and the mesh at generation `held`, acknowledged."""

    def build(held: int = 0, programmed: bool = True, **changes: Any) -> Facts:
        sample = Sample(1000.0, Counts(1000), Counts(100))
        traffic = TrafficState(held, programmed, () if programmed else ("gateway/main: not yet acknowledged RTDS",))
        return replace(Facts(Health.READY, "", Health.READY, traffic, sample), **changes)

    return build
