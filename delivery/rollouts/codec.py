"""Rollout and strategy as JSON, for stores and APIs: the names of the generic codec bound to these nouns. Pure."""

from __future__ import annotations

from typing import Any

from delivery.codec import decode, encode
from delivery.rollouts.model import Rollout, Strategy


def rollout_to_json(rollout: Rollout) -> dict[str, Any]:
    """Return the JSON-able form; steps carry their `kind` (SetWeight, Pause, Analysis)."""
    return dict(encode(rollout))


def rollout_from_json(data: dict[str, Any]) -> Rollout:
    """Return the rollout `rollout_to_json` was given. Raises Broken naming the field that does not fit."""
    return decode(Rollout, data)


def strategy_to_json(strategy: Strategy) -> dict[str, Any]:
    """Return the JSON-able form of a strategy with its steps and gate."""
    return dict(encode(strategy))


def strategy_from_json(data: dict[str, Any]) -> Strategy:
    """Return the strategy `strategy_to_json` was given. Raises Broken naming the field that does not fit."""
    return decode(Strategy, data)
