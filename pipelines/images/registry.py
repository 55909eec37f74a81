"""Registry: requests of the OCI distribution protocol 1.1, with logins, retries and a word for each refusal.

One instance serves one job and is used by one thread. Plain HTTP is spoken only to the hosts listed as insecure: a
pushed file names registries, and shall not make the worker talk to whatever listens on its machine.
Neighbours: tokens (401), pull, push.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from pipelines.errors import NotFound, Rejected, Transient
from pipelines.images.credentials import Credentials
from pipelines.images.model import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST, digest_of
from pipelines.images.references import Reference
from pipelines.images.tokens import answer, read_challenge

ATTEMPTS = 12  # over about four minutes: giving up means to build again
LONGEST_PAUSE = 30.0  # seconds between two
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
MAX_MANIFEST = 4 * 1024 * 1024  # the specification's limit
_ACCEPT = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX))
_CHUNK = 256 * 1024
Going = Callable[[], None]


class Registry:
    """One registry. `going` is called between chunks and may raise; `pause` waits (seconds) before another attempt."""

    def __init__(
        self,
        reference: Reference,
        credentials: Credentials,
        *,
        insecure: bool = False,
        going: Going = lambda: None,
        pause: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.name = reference.registry
        self._host = reference.host
        self._credentials = credentials
        self._going = going
        self._pause = pause
        self._authorization: dict[tuple[str, ...], str] = {}
        url = f"{'http' if insecure else 'https'}://{reference.host}"
        # Proxies and certificates come from the environment, as for builds.
        self._client = httpx.Client(
            base_url=url, timeout=TIMEOUT, transport=transport, headers={"User-Agent": "colorlane"}
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def manifest(self, repository: str, target: str) -> tuple[bytes, str]:
        """Return a manifest or index and its media type. Raises NotFound; Rejected when it is not what was named."""
        reply = self._ask("GET", f"/v2/{repository}/manifests/{target}", _pull(repository), headers={"Accept": _ACCEPT})
        content = reply.content
        if len(content) > MAX_MANIFEST:
            raise Rejected(f"the manifest of {self.name}/{repository} is over {MAX_MANIFEST} bytes", field="image")
        if target.startswith("sha256:") and digest_of(content) != target:
            raise Rejected(f"{self.name}/{repository}: content does not have its digest {target}", field="image")
        return content, reply.headers.get("Content-Type", "").partition(";")[0].strip()

    def has_blob(self, repository: str, digest: str) -> bool:
        """Tell whether the repository has the blob."""
        return self._has(f"/v2/{repository}/blobs/{digest}", repository)

    def has_manifest(self, repository: str, digest: str) -> bool:
        """Tell whether the repository has the manifest."""
        return self._has(f"/v2/{repository}/manifests/{digest}", repository)

    def _has(self, path: str, repository: str) -> bool:
        try:
            self._ask("HEAD", path, _push(repository), headers={"Accept": _ACCEPT})
        except NotFound:
            return False
        return True

    @contextmanager
    def blob(self, repository: str, digest: str) -> Iterator[Iterator[bytes]]:
        """Yield the blob's bytes, unchecked. Redirects to a store are followed; the login is not sent there."""
        path = f"/v2/{repository}/blobs/{digest}"
        self._ask("HEAD", path, _pull(repository))  # logs in, and says what is wrong
        headers = {**self._headers(_pull(repository)), "Accept-Encoding": "identity"}  # its digest is of these bytes
        with self._away(), self._client.stream("GET", path, headers=headers, follow_redirects=True) as reply:
            if not reply.is_success:
                raise self._refused(reply.status_code, path, "")
            yield self._chunks(reply)

    def _chunks(self, reply: httpx.Response) -> Iterator[bytes]:
        for chunk in reply.iter_raw(_CHUNK):
            self._going()
            yield chunk

    def mount(self, repository: str, digest: str, source: str) -> bool:
        """Ask to share a blob of another repository of this registry; tell whether it was."""
        scopes = (*_push(repository), *_pull(source))
        query = {"mount": digest, "from": source}
        return self._ask("POST", f"/v2/{repository}/blobs/uploads/", scopes, params=query).status_code == 201

    def upload(self, repository: str, digest: str, size: int, content: Callable[[], Iterator[bytes]]) -> None:
        """Upload a blob in one request. Raises Rejected when the registry finds another digest in it."""
        for attempt in range(ATTEMPTS):
            try:
                return self._upload(repository, digest, size, content)
            except Transient as error:  # the upload's place is lost with it: begin again
                self._wait(attempt, error)
        raise AssertionError("unreachable")  # _wait raises in the last round

    def _upload(self, repository: str, digest: str, size: int, content: Callable[[], Iterator[bytes]]) -> None:
        scopes = _push(repository)
        start = self._ask("POST", f"/v2/{repository}/blobs/uploads/", scopes)
        url = self._client.base_url.join(start.headers.get("Location", ""))
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        here = self._client.base_url
        if (url.scheme, url.host) == (here.scheme, here.host):  # a login never leaves its registry, nor goes in clear
            headers |= self._headers(scopes)
        with self._away():
            reply = self._client.put(
                url.copy_merge_params({"digest": digest}), content=self._watched(content()), headers=headers
            )
        if reply.status_code != 201:
            raise self._failure(reply, url.path)

    def _watched(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._going()
            yield chunk

    def put_manifest(self, repository: str, target: str, media_type: str, content: bytes) -> None:
        """Upload a manifest under its digest, or under a tag; its parts must be there."""
        headers = {"Content-Type": media_type}
        self._ask("PUT", f"/v2/{repository}/manifests/{target}", _push(repository), headers=headers, content=content)

    def _ask(self, method: str, path: str, scopes: tuple[str, ...], **options: Any) -> httpx.Response:
        """Send a small request until it succeeds; a 401 is answered once a login."""
        headers: Mapping[str, str] = options.pop("headers", {})
        for attempt in range(ATTEMPTS):
            self._going()
            try:
                with self._away():
                    reply = self._send(method, path, scopes, headers, options)
                    if reply.status_code == 401:
                        self._log_in(reply, scopes)
                        reply = self._send(method, path, scopes, headers, options)
                if reply.is_success:
                    return reply
                raise self._failure(reply, path)
            except Transient as error:
                self._wait(attempt, error)
        raise AssertionError("unreachable")  # _wait raises in the last round

    def _send(
        self, method: str, path: str, scopes: tuple[str, ...], headers: Mapping[str, str], options: Mapping[str, Any]
    ) -> httpx.Response:
        every = {**headers, **self._headers(scopes)}
        return self._client.request(method, path, headers=every, follow_redirects=method in ("GET", "HEAD"), **options)

    def _log_in(self, reply: httpx.Response, scopes: tuple[str, ...]) -> None:
        challenge = read_challenge(reply.headers.get("WWW-Authenticate", ""))
        login = self._credentials.login(self.name)
        self._authorization[scopes] = answer(self._client, challenge, login, scopes, self.name)

    def _headers(self, scopes: tuple[str, ...]) -> dict[str, str]:
        known = self._authorization.get(scopes)
        return {"Authorization": known} if known else {}

    @contextmanager
    def _away(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise Transient(f"registry {self.name} is away: {type(error).__name__}: {error}", retry_after=5) from error

    def _wait(self, attempt: int, error: Transient) -> None:
        if attempt == ATTEMPTS - 1:
            raise error
        asked = error.retry_after if "answered" in error.message else 0.0  # by a Retry-After header
        self._pause(min(max(0.25 * 4**attempt, asked), LONGEST_PAUSE))

    def _failure(self, reply: httpx.Response, path: str) -> Rejected | Transient:
        status = reply.status_code
        if status >= 500 or status in (408, 429):
            after = _seconds(reply.headers.get("Retry-After", ""))
            return Transient(f"registry {self.name} answered {status}", retry_after=after)
        return self._refused(status, path, _said(reply))

    def _refused(self, status: int, path: str, said: str) -> Rejected:
        shown = urlsplit(path).path.removeprefix("/v2/")
        place = f"{self.name}/{shown}"
        if status == 404:
            message, remedy = f"there is no {place}", "Check name, tag and digest"
            return NotFound(message, field="image", value=place, remedy=remedy)
        if status in (401, 403):
            message = f"registry {self.name} denies {shown.partition('/manifests/')[0].partition('/blobs/')[0]}{said}"
            remedy = "Check the login in the file of COLORLANE_REGISTRY_AUTH_FILE, and its rights"
            return Rejected(message, field="registry", value=self.name, remedy=remedy)
        message = f"registry {self.name} refuses {shown} with status {status}{said}"
        return Rejected(message, field="registry", value=self.name, remedy="Ask who runs the registry")


def read_file(path: Path) -> Callable[[], Iterator[bytes]]:
    """Return what reads the file in chunks, anew at each call."""

    def chunks() -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    return chunks


def _pull(repository: str) -> tuple[str, ...]:
    return (f"repository:{repository}:pull",)


def _push(repository: str) -> tuple[str, ...]:
    return (f"repository:{repository}:pull,push",)


def _said(reply: httpx.Response) -> str:
    """Return the registry's own words (the specification's error format)."""
    try:
        first = reply.json()["errors"][0]
        text = f"{first.get('code', '')} {first.get('message', '')}".strip()
    except (ValueError, LookupError, TypeError, AttributeError, httpx.ResponseNotRead):
        return ""
    return f": {text[:200]}"


def _seconds(header: str) -> float:
    """Return the seconds of a Retry-After header, 1 when it says nothing readable."""
    if header.isdecimal():
        return float(header)
    try:
        return max(1.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return 1.0
