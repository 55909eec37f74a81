"""Pushes: what the body of a delivery says about a ref, whatever host it came from. Neighbours: process_delivery.

Forms: our own `{"ref", "before", "after", "author"}` (embedded host and reconciler) and GitLab's push event
(docs.gitlab.com/user/project/integrations/webhook_events, "Push events").
"""

from __future__ import annotations

import json
import re
from typing import Any

from delivery.deliveries import Delivery, Push

NOBODY = frozenset({"0" * 40, "0" * 64})  # how Git spells "no commit"
_ID = re.compile(r"[0-9a-zA-Z]{1,64}")


def push_of(delivery: Delivery) -> Push | None:
    """Return the push a delivery reports, or None for an event that is none."""
    try:
        body = json.loads(delivery.body)
    except ValueError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("ref"), str):
        return None
    if body.get("object_kind", "push") != "push" or not is_text(body["ref"]):
        return None
    after, before = _commit(body.get("after")), _commit(body.get("before"))
    if after and not _ID.fullmatch(after):
        return None
    author = _text(body.get("author")) or _text(body.get("user_username")) or _text(body.get("user_name"))
    return Push(ref=body["ref"], before=before, after=after, author=author if is_text(author) else "")


def body_of(push: Push) -> bytes:
    """Return our own form of a push."""
    return json.dumps({"ref": push.ref, "before": push.before, "after": push.after, "author": push.author}).encode()


def is_text(value: str) -> bool:
    """Tell whether it can be written as UTF-8: JSON can spell, and Git can name, what no database takes."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _commit(value: Any) -> str:
    text = _text(value)
    return "" if text in NOBODY else text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
