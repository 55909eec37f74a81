"""`python -m tests.containers.run [pytest's arguments]`: the tests of containers with all they need.

Takes the engine that answers; else starts Debian's `dockerd` (root), which is ended again. What is built (base image,
compose plugin, layers) stays in a cache outside the repository, so the second time takes a few minutes only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

from tests.containers import engine

HERE = Path(__file__).parent
INSTALLED = HERE.parent / "kubernetes" / "test_installed.py"


def main(arguments: list[str]) -> int:
    """Return pytest's exit code."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "colorlane"
    own = nullcontext({}) if engine.answers() else engine.started(cache / "engine")
    with own as found:
        environment = {**os.environ, **engine.with_compose(cache, found), "COLORLANE_TEST_CONTAINERS": "1"}
        subprocess.run([HERE / "base_image"], env=environment, check=True)
        command = [sys.executable, "-m", "pytest", "-m", "containers", str(HERE), str(INSTALLED), *arguments]
        return subprocess.run(command, env=environment, cwd=HERE.parents[1], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
