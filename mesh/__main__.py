"""`python -m mesh`: the control plane in the foreground, configured by `COLORLANE_*` variables."""

from __future__ import annotations

import asyncio
import logging
import sys

import structlog
from pydantic import ValidationError

from mesh.bootstrap import serve
from mesh.errors import Rejected
from mesh.settings import Settings


def main() -> int:
    """Run until stopped; 2 when the settings are wrong or a port is taken."""
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.write(f"mesh: {error}\n")
        return 2
    _log_to_stderr(as_json=settings.log_json)
    try:
        asyncio.run(serve(settings))
    except* Rejected as group:
        for refusal in group.exceptions:
            sys.stderr.write(f"mesh: {refusal}; {getattr(refusal, 'remedy', '')}\n")
        sys.exit(2)
    return 0


def _log_to_stderr(*, as_json: bool) -> None:
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    sys.exit(main())
