"""Pushes: what the body of a delivery says about a ref, whatever host it came from. Neighbours: process_delivery.

Forms: our own `{"ref", "before", "after", "author"}` (embedded host and reconciler) and GitLab's push event
(docs.gitlab.com/user/project/integrations/webhook_events, "Push events").
"""

from __future__ import annotations

import json
from typing import Any

from delivery.deliveries import Delivery, Push

NOBODY = "0" * 40  # how Git spells "no commit"


def push_of(delivery: Delivery) -> Push | None:
    """Return the push a delivery reports, or None for an event that is none."""
    try:
        body = json.loads(delivery.body)
    except ValueError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("ref"), str):
        return None
    if body.get("object_kind", "push") != "push":
        return None
    return Push(
        ref=body["ref"],
        before=_commit(body.get("before")),
        after=_commit(body.get("after")),
        author=_text(body.get("author")) or _text(body.get("user_username")) or _text(body.get("user_name")),
    )


def body_of(push: Push) -> bytes:
    """Return our own form of a push."""
    return json.dumps({"ref": push.ref, "before": push.before, "after": push.after, "author": push.author}).encode()


def _commit(value: Any) -> str:
    text = _text(value)
    return "" if text == NOBODY else text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
