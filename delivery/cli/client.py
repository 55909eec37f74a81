"""Client: the HTTP API as the commands use it; each failure becomes one sentence, a remedy and an exit code.

Neighbours: app.

Exit codes: 0 done; 1 it was done and the answer is bad (a failed run, a rolled back rollout, findings of `lint`);
2 wrong usage; 3 the API cannot be reached; 4 it refused; 5 it failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

BAD_ANSWER, USAGE, UNREACHABLE, REFUSED, FAILED = 1, 2, 3, 4, 5

Row = dict[str, Any]


class Failure(Exception):
    """Ends the command: what is wrong, what to do, and the exit code."""

    def __init__(self, text: str, remedy: str = "", code: int = BAD_ANSWER) -> None:
        super().__init__(text)
        self.text, self.remedy, self.code = text, remedy, code


class Api:
    """One API; `base` is its URL. Proxies of the environment are not asked: the API is near."""

    def __init__(self, base: str, token: str = "") -> None:
        self.base = base.rstrip("/")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        verify = not self.base.startswith("http://")  # to load the authorities takes longer than most commands
        self._http = httpx.Client(base_url=self.base, headers=headers, timeout=30.0, trust_env=False, verify=verify)

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of a GET under /api/v1."""
        return self._ask("GET", path, params=_given(query))

    def text(self, path: str, **query: Any) -> str:
        """Return the text of a GET under /api/v1."""
        with self._reaching():
            response = self._http.get(_v1(path), params=_given(query))
        _check(response)
        return response.text

    def post(self, path: str, body: Row | None = None, **query: Any) -> Any:
        """Return the JSON of a POST under /api/v1."""
        return self._ask("POST", path, json=body, params=_given(query))

    def delete(self, path: str, **query: Any) -> Any:
        """Return the JSON of a DELETE under /api/v1, None for an empty answer."""
        return self._ask("DELETE", path, params=_given(query))

    def items(self, path: str, limit: int = 100, **query: Any) -> list[Row]:
        """Return the first `limit` rows of a list."""
        return list(self.get(path, limit=limit, **query)["items"])

    @contextmanager
    def stream(self, path: str, **query: Any) -> Iterator[httpx.Response]:
        """Open a streamed answer that may be silent for as long as it likes."""
        timeout = httpx.Timeout(30.0, read=None)
        with self._reaching(), self._http.stream("GET", _v1(path), params=_given(query), timeout=timeout) as response:
            if response.is_error:
                response.read()
            _check(response)
            yield response

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        with self._reaching():
            response = self._http.request(method, _v1(path), **more)
        _check(response)
        return response.json() if response.content else None

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except httpx.InvalidURL as error:
            raise Failure(f"{self.base!r} is not a URL: {error}", "set COLORLANE_API_URL", USAGE) from error
        except httpx.UnsupportedProtocol as error:
            raise Failure(f"{self.base!r} is not an http URL", "set COLORLANE_API_URL", USAGE) from error
        except httpx.TransportError as error:
            remedy = "start it with `colorlane up`, or set COLORLANE_API_URL to where it runs"
            raise Failure(f"no Colorlane API at {self.base} ({_reason(error)})", remedy, UNREACHABLE) from error


def _v1(path: str) -> str:
    return f"/api/v1/{path}"


def _given(query: Row) -> Row:
    """Leave out what was not asked; `from_` stands for `from`, which Python keeps for itself."""
    return {name.rstrip("_"): value for name, value in query.items() if value not in (None, "", False)}


def _reason(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__


def _check(response: httpx.Response) -> None:
    """Raise Failure with the problem's own words."""
    if not response.is_error:
        return
    try:
        body = response.json()
        detail, remedy = str(body["detail"]), str(body.get("remedy", ""))
    except (ValueError, KeyError, TypeError):
        detail, remedy = f"HTTP {response.status_code} from {response.request.url}", "is that address Colorlane's API?"
    if response.status_code == 401:
        remedy = "set COLORLANE_API_TOKEN to the token the API was started with"
    raise Failure(detail, remedy, FAILED if response.status_code >= 500 else REFUSED)
