"""Signatures: is this webhook request from the Git host? Pure but for the library's clock (5 minutes' window).

GitLab sends, as the hook is set up, the secret itself (`X-Gitlab-Token`) or, since 19.0, a signature of the
Standard Webhooks scheme over the raw body (`webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64>`).
A project's secrets are one string, comma separated while a secret is being rotated; those that begin with
`whsec_` are signing keys, all others are plain tokens. Source: docs of GitLab webhooks, Standard Webhooks spec.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from standardwebhooks import Webhook

SIGNING_PREFIX = "whsec_"


def split_secrets(secrets: str) -> tuple[str, ...]:
    """Return the single secrets of a rotation list."""
    return tuple(part.strip() for part in secrets.split(",") if part.strip())


def verify_token(secrets: str, headers: Mapping[str, str]) -> bool:
    """Tell whether `X-Gitlab-Token` equals a plain secret. All are compared, each in constant time."""
    given = headers.get("x-gitlab-token", "").encode("latin-1", "replace")  # the bytes as sent
    plain = [secret for secret in split_secrets(secrets) if not secret.startswith(SIGNING_PREFIX)]
    matches = [hmac.compare_digest(given, secret.encode()) for secret in plain]
    return bool(given) and any(matches)


def verify_signature(secrets: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Tell whether the raw `body` carries a fresh signature by one of the signing secrets."""
    keys = [secret for secret in split_secrets(secrets) if secret.startswith(SIGNING_PREFIX)]
    return any(_signed_by(key, headers, body) for key in keys)


def is_signed(headers: Mapping[str, str]) -> bool:
    """Tell whether the request claims to be signed."""
    return "webhook-signature" in headers


def _signed_by(key: str, headers: Mapping[str, str], body: bytes) -> bool:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    try:
        Webhook(key).verify(body, {name: headers.get(name, "") for name in names}, json_parse=False)
    except Exception:  # the library lets odd headers, keys and bodies out as many kinds of errors: none is a proof
        return False
    return True
