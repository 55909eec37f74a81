"""UI: the page at `/`: hand-written HTML, CSS and JavaScript modules under `static/`; it only uses the HTTP API.

Neighbours: `delivery.asgi` mounts it beside the API. No build step and nothing from elsewhere: it works offline.
"""

from delivery.ui.pages import mount

__all__ = ["mount"]
