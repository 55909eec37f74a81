"""Doors: what a proxy must show at xDS and at telemetry. Neighbours: callers (what fits), tokens_kubernetes (whose)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from mesh.errors import Unauthenticated
from mesh.policy.callers import Caller, Places, check_node

HEADER = "authorization"
_SCHEME = "bearer "


class Authenticator(Protocol):
    """Knows whose a token is."""

    async def identify(self, token: str) -> Caller:
        """Return the caller. Raises Unauthenticated, or Transient where it cannot be told now."""
        ...


class TokenDoor:
    """Lets in proxies whose token fits the node that they say they are."""

    def __init__(self, authenticator: Authenticator, places: Places) -> None:
        self._authenticator, self._places = authenticator, places

    async def admit(self, metadata: Mapping[str, str | bytes], node: str) -> None:
        """Return, or raise Unauthenticated, Forbidden, or Transient where it cannot be told now."""
        caller = await self._authenticator.identify(token_of(metadata))
        check_node(caller, node, self._places)


def token_of(metadata: Mapping[str, str | bytes]) -> str:
    """Return the bearer token of a call. Raises Unauthenticated where there is none."""
    value = metadata.get(HEADER, "")
    if isinstance(value, str) and value[: len(_SCHEME)].lower() == _SCHEME and (token := value[len(_SCHEME) :].strip()):
        return token
    raise Unauthenticated(
        "a token is needed",
        field=HEADER,
        remedy="send `authorization: Bearer <ServiceAccount token of audience colorlane-mesh>`",
    )
