"""Checks between parts of `colorlane.yaml`: what names what. Pure; works on the raw document, so that these problems
are told together with those of form, and each check passes over what is malformed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches

from pipelines.errors import Problem
from pipelines.specs.document import Node

INSTANT = "instant"  # the strategy that always exists
PRODUCTION = "production"


def reference_problems(root: Node, file: str) -> Iterator[Problem]:
    """Yield what is named but does not exist, and what must exist but is not named."""
    services = _children(root, "services")
    environments = _children(root, "environments")
    yield from _entry(root, services, file)
    strategies = [*_children(root, "strategies"), INSTANT]
    for name, environment in environments.items():
        yield from _strategy(name, environment, strategies, file)
    if environments:
        yield from _production(root, environments, file)


def suggestion(word: str, known: Collection[str]) -> str:
    """Return "Did you mean x?" or the list of what is known."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"Did you mean {close[0]}?" if close else f"Known: {', '.join(sorted(known))}"


def _entry(root: Node, services: dict[str, Node], file: str) -> Iterator[Problem]:
    entry = _text(root, "entry")
    if entry is None and len(services) > 1:
        remedy = f"Add `entry:` with one of: {', '.join(services)}"
        yield Problem(file, root.line, "entry", "is missing: which service does the gateway expose?", remedy=remedy)
    elif entry is not None and services and entry not in services:
        yield Problem(
            file,
            _line(root, "entry"),
            "entry",
            f"names no service: {entry[:80]}",
            entry[:80],
            suggestion(entry, services),
        )


def _strategy(name: str, environment: Node, known: Collection[str], file: str) -> Iterator[Problem]:
    strategy = _text(environment, "strategy")
    if strategy is not None and strategy not in known:
        field = f"environments.{name}.strategy"
        message = f"names no strategy: {strategy[:80]}"
        yield Problem(file, _line(environment, "strategy"), field, message, strategy[:80], suggestion(strategy, known))


def _production(root: Node, environments: dict[str, Node], file: str) -> Iterator[Problem]:
    line = _line(root, "environments")
    production = environments.get(PRODUCTION)
    if production is None:
        remedy = "Add `production: {branch: main}`: it is the baseline every preview falls back to"
        yield Problem(file, line, "environments.production", "is missing", remedy=remedy)
    elif isinstance(production.value, dict) and "branches" in production.value:
        remedy = "Give it the one `branch` that is released"
        yield Problem(file, production.line, "environments.production", "is made from several branches", remedy=remedy)
    seen: dict[str, str] = {}
    for name, environment in environments.items():
        branch = _text(environment, "branch")
        if branch is not None and branch in seen:
            line, field = _line(environment, "branch"), f"environments.{name}.branch"
            message = f"has the branch of {seen[branch]}: {branch[:80]}"
            yield Problem(file, line, field, message, branch[:80], "Give each environment a branch of its own")
        elif branch is not None:
            seen[branch] = name


def _children(node: Node, key: str) -> dict[str, Node]:
    child = node.value.get(key) if isinstance(node.value, dict) else None
    return child.value if child is not None and isinstance(child.value, dict) else {}


def _text(node: Node, key: str) -> str | None:
    child = node.value.get(key) if isinstance(node.value, dict) else None
    return child.value if child is not None and isinstance(child.value, str) else None


def _line(node: Node, key: str) -> int:
    return node.keys.get(key, node.line)
