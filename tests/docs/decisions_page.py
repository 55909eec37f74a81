"""Writes the list of decisions: `python -m tests.docs.decisions_page > docs/decisions/README.md`."""

from __future__ import annotations

import re

from tests.architecture.sources import ROOT

FOLDER = ROOT / "docs/decisions"
HEAD = """# Decisions

One page per decision that one could argue about: what was decided, why, what it costs, what was rejected.
Numbers by area: mesh 0001-0009, platform 0010-0019, pipelines 0020-0029, gates and rollouts 0030-0039,
delivery, API and page 0040-0049, the house 0050-0059.

| | |
|---|---|
"""


def render() -> str:
    """Return the page."""
    rows = []
    for file in sorted(FOLDER.glob("[0-9]*.md")):
        heading = file.read_text().partition("\n")[0]
        rows.append(f"| [{file.name[:4]}]({file.name}) | {re.sub(r'^# *[0-9]{4}[.:]? *', '', heading)} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    print(render(), end="")
