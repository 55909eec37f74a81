"""Private directories: what lies in the state directory (tokens, Git, logs) is for the user who runs Colorlane alone.

One closed door at the top is enough: no mode below it matters. Neighbours: bootstrap and embedded, which make it.
"""

from __future__ import annotations

import os
from pathlib import Path

PRIVATE = 0o700


def make_private(folder: Path) -> None:
    """Make the directory if there is none, and close it to other users. Raises OSError when it cannot be made.

    One that belongs to somebody else (a volume's root on Kubernetes) is left as it is: its owner decides.
    """
    folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid == os.geteuid() and status.st_mode & 0o077:
        folder.chmod(PRIVATE)
