"""API: the HTTP doors of Colorlane: webhooks, the Git host, `/api/v1`, metrics and health. Calls flows, keeps nothing.

Neighbours: `flows` (use cases), `ports.store` (what is read), `ui` (the page, mounted beside it by `delivery.asgi`).
"""
