"""Tokens: what a registry's 401 asks for, and how it is answered. Neighbours: credentials, registry.

Sources: distribution's docs/spec/auth/token.md and oauth.md; RFC 7235 for the form of the challenge.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from pipelines.errors import Rejected, Transient
from pipelines.images.credentials import Login

_PARAMETER = re.compile(r'([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"|([a-zA-Z_]+)=([^\s,"]+)')


@dataclass(frozen=True)
class Challenge:
    """What a `WWW-Authenticate` header asks for; `scheme` in lower case."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def read_challenge(header: str) -> Challenge:
    """Return the first challenge of the header."""
    scheme, _, rest = header.strip().partition(" ")
    found = {(match[1] or match[3]).lower(): match[2] or match[4] or "" for match in _PARAMETER.finditer(rest)}
    return Challenge(scheme.lower(), found.get("realm", ""), found.get("service", ""), found.get("scope", ""))


def answer(client: httpx.Client, challenge: Challenge, login: Login, scopes: tuple[str, ...], registry: str) -> str:
    """Return the Authorization header the challenge asks for. Raises Rejected and Transient."""
    if challenge.scheme == "basic":
        if not login:
            raise _denied(registry, "asks for a user and a password")
        return login.basic
    if challenge.scheme != "bearer" or not challenge.realm:
        raise _denied(registry, f"asks for {challenge.scheme[:40] or 'nothing known'}")
    return f"Bearer {_token(client, challenge, login, scopes, registry)}"


def _token(client: httpx.Client, challenge: Challenge, login: Login, scopes: tuple[str, ...], registry: str) -> str:
    """Ask the realm: with a refresh token by POST (OAuth2), else by GET."""
    if urlsplit(challenge.realm).scheme != "https" and client.base_url.scheme == "https":
        raise _denied(registry, "sends logins to a realm without TLS")  # it could be any place, and heard by anyone
    scope = scopes or ((challenge.scope,) if challenge.scope else ())
    try:
        if login.identity:
            form = {"grant_type": "refresh_token", "refresh_token": login.identity, "service": challenge.service,
                    "client_id": "colorlane", "scope": " ".join(scope)}  # fmt: skip
            reply = client.post(challenge.realm, data=form)
        else:
            query = [("service", challenge.service), *(("scope", each) for each in scope)]
            headers = {"Authorization": login.basic} if login else {}
            reply = client.get(challenge.realm, params=[pair for pair in query if pair[1]], headers=headers)
    except httpx.HTTPError as error:
        raise Transient(f"the token service of {registry} is away: {type(error).__name__}", retry_after=5) from None
    if reply.status_code >= 500 or reply.status_code == 429:
        raise Transient(f"the token service of {registry} answered {reply.status_code}", retry_after=5)
    try:
        document = reply.json() if reply.is_success else {}
        token = document.get("token") or document.get("access_token")
    except (ValueError, AttributeError):
        token = None
    if not isinstance(token, str):
        raise _denied(registry, f"gave no token (status {reply.status_code})")
    return token


def _denied(registry: str, why: str) -> Rejected:
    return Rejected(
        f"registry {registry} {why}",
        field="registry",
        value=registry,
        remedy="Put a login for it into the file of COLORLANE_REGISTRY_AUTH_FILE, and check its rights",
    )
