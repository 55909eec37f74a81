"""Each script in this folder replays to exactly the transcript beside it.

`COLORLANE_REGENERATE=1 pytest tests/scenarios` writes the transcripts anew and deletes orphans; review the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from delivery.rollouts.scenario import run_scenario

FOLDER = Path(__file__).parent
SCRIPTS = sorted(FOLDER.glob("*.txt"))
REGENERATE = bool(os.environ.get("COLORLANE_REGENERATE"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_transcript(script: Path) -> None:
    transcript = run_scenario(script.read_text())
    golden = script.with_suffix(".out")
    if REGENERATE:
        golden.write_text(transcript)
    assert transcript == golden.read_text()


def test_no_transcript_without_a_script() -> None:
    orphans = {path.stem for path in FOLDER.glob("*.out")} - {path.stem for path in SCRIPTS}
    if REGENERATE:
        for stem in orphans:
            (FOLDER / f"{stem}.out").unlink()
        return
    assert not orphans
