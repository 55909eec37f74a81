"""ASGI: the API process: builds the world, opens the doors. `uvicorn --factory delivery.asgi:create_app`.

Neighbours: bootstrap (parts), api (doors), ui (page), cli (`python -m delivery api`).
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import structlog
import uvicorn
from fastapi import FastAPI

from delivery.api.app import create
from delivery.api.context import Options
from delivery.api.security import check_bind, check_shell_token
from delivery.bootstrap import Colorlane, build, describe
from delivery.settings import Settings
from delivery.ui import mount
from delivery.worker import logs
from delivery.worker.logs import configure

log = structlog.get_logger(__name__)

GRACE = 2  # seconds for open streams at shutdown; their clients come back by themselves


def create_app() -> FastAPI:
    """Return the application of this process. Raises Rejected when it would be open to others without a token."""
    configure()  # structlog's own default draws tracebacks with all locals: slow, and with secrets in them
    settings = Settings()
    check_bind(settings.api_host, settings.api_token)
    check_shell_token(settings.shell_token, settings.api_token)
    logs.configure()
    parts = build(settings)
    log.info("api.started", **describe(parts))
    return assemble(parts)


def assemble(parts: Colorlane) -> FastAPI:
    """Return the API with the page, around parts that are built already."""
    settings = parts.settings
    options = Options(
        token=settings.api_token,
        shell_token=settings.shell_token,
        mesh_url=settings.mesh,
        mesh_token=settings.mesh_token,
        git_root=str(settings.state_dir.resolve() / "git"),
        version=_version(),
    )
    app = create(parts, options)
    mount(app)
    return app


def serve() -> None:
    """Run the API process until it is told to stop. Raises Rejected as `create_app` does, before anything listens."""
    settings = Settings()
    check_bind(settings.api_host, settings.api_token)
    check_shell_token(settings.shell_token, settings.api_token)
    uvicorn.run(
        "delivery.asgi:create_app",
        factory=True,
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )


def _version() -> str:
    try:
        return version("colorlane")
    except PackageNotFoundError:
        return "0"
