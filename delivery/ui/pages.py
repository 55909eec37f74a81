"""Pages: the addresses of the page, of the API's reference, and of the static files they need. Neighbours: static/."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

STATIC = Path(__file__).parent / "static"
# Browsers ask each time whether a file has changed (cheap: an ETag), so that an upgrade never meets an old script.
HEADERS = {"cache-control": "no-cache"}


def mount(app: FastAPI) -> None:
    """Add the page to the application."""

    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers=HEADERS)

    def reference() -> FileResponse:
        return FileResponse(STATIC / "docs.html", headers=HEADERS)

    def icon() -> FileResponse:
        return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml", headers=HEADERS)

    app.add_api_route("/", page, include_in_schema=False, methods=["GET", "HEAD"])
    app.add_api_route("/docs", reference, include_in_schema=False)
    app.add_api_route("/favicon.ico", icon, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC))
