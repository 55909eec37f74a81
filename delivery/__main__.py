"""Entry: `colorlane` and `python -m delivery`. Neighbours: entries (single processes), cli (everything else)."""

from __future__ import annotations

import sys

from delivery.entries import run_entry


def main() -> None:
    """Run a process of the stack or the command line, and end with its exit code."""
    code = run_entry(sys.argv[1:])
    if code is None:
        from delivery.cli.app import main as run

        code = run()
    sys.exit(code)


if __name__ == "__main__":
    main()
