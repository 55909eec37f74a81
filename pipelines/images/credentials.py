"""Credentials of registries, from a file in the format of Docker's `config.json` (`auths`), e.g. a mounted secret.

Read anew for each use, so that a rotated secret counts at once. Nothing here is ever logged: `repr` shows no password.
Programs that fetch credentials (`credHelpers`, `credsStore`) are not run.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.errors import Rejected
from pipelines.images.references import DEFAULT_LOGINS, DEFAULT_REGISTRY


@dataclass(frozen=True)
class Login:
    """A user and a password, or `identity`, a refresh token that stands for both."""

    user: str = ""
    password: str = field(default="", repr=False)
    identity: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        """Whether there is anything to log in with."""
        return bool(self.user or self.identity)

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class Credentials:
    """Logins by registry; `file` None: there are none."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file

    def login(self, registry: str) -> Login:
        """Return what to log in to `registry` with; an empty login for none. Raises Rejected for a wrong file."""
        auths = self._auths()
        for key in (
            DEFAULT_LOGINS if registry == DEFAULT_REGISTRY else (registry, f"https://{registry}", f"http://{registry}")
        ):
            for given in (key, f"{key}/", f"{key}/v1/", f"{key}/v2/"):
                if isinstance(entry := auths.get(given), dict):
                    return self._read(entry, given)
        return Login()

    def content(self) -> str:
        """Return a `config.json` with these logins alone, for a program that logs in itself."""
        return json.dumps({"auths": self._auths()})

    def _auths(self) -> Mapping[str, Any]:
        if self._file is None:
            return {}
        try:
            document = json.loads(self._file.read_bytes())
            auths = document.get("auths", {})
        except (OSError, ValueError, AttributeError) as error:
            raise self._refused(type(error).__name__) from None  # the error's text may quote the file
        return auths if isinstance(auths, dict) else {}

    def _read(self, entry: Mapping[str, Any], key: str) -> Login:
        user, password = str(entry.get("username", "")), str(entry.get("password", ""))
        if isinstance(auth := entry.get("auth"), str) and auth:
            try:
                user, _, password = base64.b64decode(auth, validate=True).decode().partition(":")
            except ValueError:
                raise self._refused(f"the auth of {key} is not base64") from None
        return Login(user, password.rstrip("\0"), str(entry.get("identitytoken", "")))

    def _refused(self, why: str) -> Rejected:
        return Rejected(
            f"the registries' credentials cannot be read: {why}",
            field="COLORLANE_REGISTRY_AUTH_FILE",
            value=str(self._file),
            remedy='Give a file like Docker\'s config.json: {"auths": {"registry.example.com": {"auth": "..."}}}',
        )
