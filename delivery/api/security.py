"""Security: who may knock at the doors. Pure decisions on one request's head; `guard` applies them. Neighbours: app.

Threats and answers:

- another machine: everything listens on loopback; a wider bind demands `COLORLANE_API_TOKEN`;
- a web page the user happens to open (CSRF): browsers say where a request comes from (`Origin`, `Sec-Fetch-Site`),
  and state is changed from our own origin only;
- DNS rebinding: without a token, only requests that name a loopback host are answered;
- webhooks prove themselves by their own secret (`signatures`) and are exempt from all three.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from delivery.errors import Rejected

SESSION_COOKIE = "colorlane_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/favicon.ico", "/api/v1/session"})
OPEN_PREFIXES = ("/webhooks/", "/static/")


class Unauthorized(Rejected):
    """No token, or not the right one (401)."""

    status = 401


class Forbidden(Rejected):
    """Never allowed from there (403)."""

    status = 403


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine only."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_bind(host: str, token: str) -> None:
    """Raise Rejected when the API would be open to other machines without a token."""
    if token or is_loopback(host):
        return
    raise Rejected(
        f"COLORLANE_API_HOST={host} opens the API to other machines, and no token is set",
        field="COLORLANE_API_HOST",
        value=host,
        remedy="set COLORLANE_API_TOKEN to a long random string, or bind to 127.0.0.1",
    )


def check_shell_token(shell_token: str, token: str) -> None:
    """Raise Rejected when whoever may use the API could open shells as well: a page's session stands for its token."""
    if shell_token and shell_token == token:
        raise Rejected(
            "COLORLANE_SHELL_TOKEN is the API's own token, so everybody who may use the API could open shells",
            field="COLORLANE_SHELL_TOKEN",
            remedy="set it to another long random string",
        )


def check_head(method: str, path: str, headers: Mapping[str, str], client: str, token: str) -> None:
    """Raise Unauthorized or Forbidden unless the request may pass. Header names are lower case; `client` an address."""
    if path.startswith("/webhooks/"):
        return
    if not token:
        _check_here(headers, client)
    if method not in SAFE_METHODS:
        _check_same_origin(headers)
    if token and not (path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)):
        _check_token(path, headers, token)


def session_value(token: str) -> str:
    """Return the cookie that stands for the token: derived from it, so that it ends when the token is changed."""
    return hmac.new(token.encode(), b"colorlane session v1", hashlib.sha256).hexdigest()


def same(given: str, wanted: str) -> bool:
    """Compare in constant time; header values reach us decoded as latin-1, so that gives back the bytes sent."""
    return hmac.compare_digest(given.encode("latin-1", "replace"), wanted.encode())


def _check_here(headers: Mapping[str, str], client: str) -> None:
    """Without a token only this machine is served, and only under a name of this machine."""
    host = host_name(headers.get("host", ""))
    if not is_loopback(host):
        raise Forbidden(
            f"the host name {host!r} is not one of this machine",
            field="Host",
            value=host,
            remedy="use http://127.0.0.1 or http://localhost, or set COLORLANE_API_TOKEN to serve other names",
        )
    if client and _is_address(client) and not is_loopback(client):
        raise Forbidden(
            "without a token only this machine is served",
            field="client",
            value=client,
            remedy="set COLORLANE_API_TOKEN",
        )


def _check_same_origin(headers: Mapping[str, str]) -> None:
    """Refuse what a browser says comes from another site's page."""
    origin = headers.get("origin", "")
    foreign = bool(origin) and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
    if foreign or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise Forbidden(
            "a page of another origin asked for a change",
            field="Origin",
            value=origin,
            remedy="use Colorlane's own page, the command line, or a program that sends no Origin header",
        )


def _check_token(path: str, headers: Mapping[str, str], token: str) -> None:
    given = given_token(headers)
    session = session_of(headers)
    if given and same(given, token):
        return
    if session and same(session, session_value(token)) and not path.startswith("/git/"):
        return
    raise Unauthorized(
        "the token is wrong" if given or session else "a token is needed",
        field="Authorization",
        remedy="send `Authorization: Bearer <COLORLANE_API_TOKEN>`; with Git, give it as the password",
    )


def given_token(headers: Mapping[str, str]) -> str:
    """Return the token of a Bearer header, or the password of a Basic one (which is how Git gives it)."""
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def session_of(headers: Mapping[str, str]) -> str:
    """Return the session cookie's value, or ""."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(SESSION_COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def host_name(host: str) -> str:
    """Return a Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _is_address(client: str) -> bool:
    try:
        ipaddress.ip_address(client)
    except ValueError:
        return False
    return True
