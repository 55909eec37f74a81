"""Tokens of Kubernetes: whose a ServiceAccount token is, by the API server's TokenReview. Neighbours: doors, apiserver.

A verdict is kept by the token's hash. It is asked for anew every few minutes, so that the token of a deleted pod ends
soon; while the API server is away, tokens that it has vouched for stay good until they expire. Thousands of proxies
that come at once ask once a token, and not all at the same time.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from mesh.errors import Rejected, Transient, Unauthenticated
from mesh.policy.callers import Caller

AUDIENCE = "colorlane-mesh"
PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
FRESH_SECONDS = 300.0
REFUSED_SECONDS = 10.0
AT_ONCE = 16
MOST_KEPT = 50_000
LONGEST_TOKEN = 16_384
_ACCOUNT_PREFIX = "system:serviceaccount:"
_POD = "authentication.kubernetes.io/pod-name"

log = structlog.get_logger(__name__)


class Server(Protocol):
    """The part of mesh.apiserver.ApiServer that is used."""

    async def send(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make a request."""
        ...


@dataclass(frozen=True)
class _Verdict:
    caller: Caller | None
    why: str
    fresh_until: float
    good_until: float


class KubernetesTokens:
    """`now` returns seconds since the epoch: tokens expire by it."""

    def __init__(self, server: Server, now: Callable[[], float], audience: str = AUDIENCE) -> None:
        self._server, self._now, self._audience = server, now, audience
        self._verdicts: dict[str, _Verdict] = {}
        self._asking: dict[str, asyncio.Task[_Verdict]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    async def identify(self, token: str) -> Caller:
        """Return whose the token is. Raises Unauthenticated, or Transient where it cannot be told now."""
        if len(token) > LONGEST_TOKEN:
            raise _refusal("it is too long")
        key = hashlib.sha256(token.encode(errors="replace")).hexdigest()
        verdict = self._verdicts.get(key)
        if verdict is None or verdict.fresh_until <= self._now():
            verdict = await self._ask_once(key, token, verdict)
        if verdict.caller is None:
            raise _refusal(verdict.why)
        return verdict.caller

    async def _ask_once(self, key: str, token: str, known: _Verdict | None) -> _Verdict:
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._ask(token))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        try:
            verdict = await asyncio.shield(task)
        except (Transient, Rejected) as error:
            # Rejected: the mesh itself may not ask (its own rights, its own token), which says nothing of the proxy.
            if known is not None and known.caller is not None and known.good_until > self._now():
                return known
            raise Transient(f"tokens cannot be reviewed: {error.message}") from error
        if len(self._verdicts) >= MOST_KEPT:
            self._forget()
        self._verdicts[key] = verdict
        return verdict

    async def _ask(self, token: str) -> _Verdict:
        spec = {"token": token, "audiences": [self._audience]}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        async with self._room:
            answer = await self._server.send("POST", PATH, body)
        status, now = answer.get("status", {}), self._now()
        caller, why = _caller(status, self._audience)
        if caller is None:
            log.warning("token refused", reason=why)
            return _Verdict(None, why, now + REFUSED_SECONDS, 0.0)
        expires = _expiry(token, now + FRESH_SECONDS)
        return _Verdict(caller, "", min(now + FRESH_SECONDS, expires), expires)

    def _forget(self) -> None:
        """Make room: what has ended, else everything, which is only asked for again."""
        now = self._now()
        kept = {key: one for key, one in self._verdicts.items() if max(one.fresh_until, one.good_until) > now}
        self._verdicts = kept if len(kept) < MOST_KEPT else {}


def _caller(status: dict[str, Any], audience: str) -> tuple[Caller | None, str]:
    """Return who a TokenReview's status names, or why it names nobody."""
    if not status.get("authenticated"):
        return None, str(status.get("error") or "the API server does not know it")
    if audience not in status.get("audiences", ()):
        return None, f"it is not for {audience}"
    user = status.get("user", {})
    name = str(user.get("username", ""))
    namespace, _, account = name.removeprefix(_ACCOUNT_PREFIX).partition(":")
    if not name.startswith(_ACCOUNT_PREFIX) or not account:
        return None, "it is no ServiceAccount's"
    pods = user.get("extra", {}).get(_POD) or [""]
    return Caller(namespace, account, str(pods[0])), ""


def _expiry(token: str, otherwise: float) -> float:
    """Return when a token that the API server has vouched for expires, by its own `exp` (RFC 7519, 4.1.4)."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return otherwise


def _refusal(why: str) -> Unauthenticated:
    return Unauthenticated(
        f"the token is not accepted: {why}",
        field="authorization",
        remedy=f"mount a projected ServiceAccount token of audience {AUDIENCE}",
    )
