"""The distribution protocol against a registry in memory: logins, retries, redirects, sharing, refusals in words."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from pipelines.errors import NotFound, Rejected, Transient
from pipelines.images.assemble import assemble, empty_base
from pipelines.images.blobs import Blobs
from pipelines.images.credentials import Credentials
from pipelines.images.model import INDEX, MANIFEST, Image, digest_of
from pipelines.images.pull import pull_base
from pipelines.images.push import push_image
from pipelines.images.references import parse_reference
from pipelines.images.registry import ATTEMPTS, LONGEST_PAUSE, Registry
from pipelines.images.tokens import Challenge, read_challenge

PLATFORM = "linux/amd64"
SECRET = "a pass/word"


class Memory:
    """A registry. `trouble` answers instead of it while it returns something; `asked` are the requests that came."""

    def __init__(self) -> None:
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.manifests: dict[tuple[str, str], bytes] = {}
        self.asked: list[httpx.Request] = []
        self.trouble: Callable[[httpx.Request], httpx.Response | None] = lambda request: None
        self.elsewhere = ""  # blobs are redirected there

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if troubled := self.trouble(request):
            return troubled
        if request.url.host == "store.example.com":
            return httpx.Response(200, stream=httpx.ByteStream(next(iter(self.blobs.values()))))
        parts = request.url.path.removeprefix("/v2/").split("/")
        name, kind, target = "/".join(parts[:-2]), parts[-2], parts[-1]
        if kind == "uploads":
            return self.upload(request, "/".join(parts[:-3]))
        if kind == "manifests":
            return self.manifest(request, name, target)
        found = self.blobs.get((name, target))
        if found is not None and self.elsewhere:
            return httpx.Response(307, headers={"Location": self.elsewhere})
        return httpx.Response(404) if found is None else httpx.Response(200, stream=httpx.ByteStream(found))

    def upload(self, request: httpx.Request, name: str) -> httpx.Response:
        if request.method == "POST":
            wanted, source = request.url.params.get("mount"), request.url.params.get("from")
            if wanted and (source, wanted) in self.blobs:
                self.blobs[name, wanted] = self.blobs[source, wanted]
                return httpx.Response(201)
            return httpx.Response(202, headers={"Location": f"/v2/{name}/blobs/uploads/1?state=x"})
        content, digest = request.read(), request.url.params["digest"]
        assert request.url.params["state"] == "x"
        if digest_of(content) != digest:
            errors = {"errors": [{"code": "DIGEST_INVALID", "message": "provided digest did not match"}]}
            return httpx.Response(400, json=errors)
        self.blobs[name, digest] = content
        return httpx.Response(201)

    def manifest(self, request: httpx.Request, name: str, target: str) -> httpx.Response:
        if request.method == "PUT":
            content = request.read()
            self.manifests[name, target] = self.manifests[name, digest_of(content)] = content
            return httpx.Response(201)
        found = self.manifests.get((name, target))
        kind = {"Content-Type": f"{MANIFEST}; charset=utf-8"}
        return httpx.Response(404) if found is None else httpx.Response(200, content=found, headers=kind)

    def methods(self) -> list[str]:
        return [request.method for request in self.asked]


@pytest.fixture
def memory() -> Memory:
    return Memory()


def registry(memory: Memory, logins: Path | None = None, pauses: list[float] | None = None) -> Registry:
    return Registry(
        parse_reference("r.io/x"),
        Credentials(logins),
        transport=httpx.MockTransport(memory),
        pause=(pauses if pauses is not None else []).append,
    )


@pytest.fixture
def image(tmp_path: Path) -> Image:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("hello")
    return assemble(empty_base(PLATFORM), tmp_path / "tree", tmp_path, {})


@pytest.fixture
def logins(tmp_path: Path) -> Path:
    file = tmp_path / "logins.json"
    auth = base64.b64encode(f"user:{SECRET}".encode()).decode()
    file.write_text(json.dumps({"auths": {"r.io": {"auth": auth}}}))
    return file


def test_a_push_sends_parts_first_and_the_manifest_last(memory: Memory, image: Image) -> None:
    pushed = push_image(registry(memory), "team/a", image, "one")
    assert pushed.uploaded == 2
    assert memory.manifests["team/a", image.digest] == memory.manifests["team/a", "one"] == image.manifest
    assert memory.asked[-1].url.path == "/v2/team/a/manifests/one"
    assert memory.asked[-1].headers["Content-Type"] == MANIFEST
    again = push_image(registry(memory), "team/a", image, "two")
    assert (again.uploaded, again.present) == (0, 2)


def test_a_base_is_pulled_lazily_and_shared_within_the_registry(memory: Memory, image: Image, tmp_path: Path) -> None:
    push_image(registry(memory), "library/base", image, "1")
    blobs = Blobs(tmp_path / "blobs")
    base = pull_base(registry(memory), parse_reference("r.io/library/base:1"), PLATFORM, blobs)
    assert base.digest == image.digest
    made = assemble(base, tmp_path / "tree", tmp_path, {})
    pushed = push_image(registry(memory), "team/a", made)
    assert (pushed.mounted, pushed.uploaded) == (1, 1)  # the new layer equals the base's only one: shared as well
    assert blobs.find(image.layers[0].descriptor.digest) is None


def test_a_pinned_base_is_asked_for_once(memory: Memory, image: Image, tmp_path: Path) -> None:
    push_image(registry(memory), "library/base", image)
    pinned = parse_reference(f"r.io/library/base@{image.digest}")
    blobs = Blobs(tmp_path / "blobs")
    pull_base(registry(memory), pinned, PLATFORM, blobs)
    memory.asked.clear()
    assert pull_base(registry(memory), pinned, PLATFORM, blobs).digest == image.digest
    assert not memory.asked


def test_a_base_with_several_platforms(memory: Memory, image: Image, tmp_path: Path) -> None:
    push_image(registry(memory), "library/base", image)
    entry = {"mediaType": MANIFEST, "digest": image.digest, "size": len(image.manifest)}
    index = {"mediaType": INDEX, "manifests": [{**entry, "platform": {"os": "linux", "architecture": "amd64"}}]}
    memory.manifests["library/base", "many"] = json.dumps(index).encode()
    many = parse_reference("r.io/library/base:many")
    assert pull_base(registry(memory), many, PLATFORM, Blobs(tmp_path / "b")).digest == image.digest
    with pytest.raises(Rejected, match="is not for linux/arm64"):
        pull_base(registry(memory), many, "linux/arm64", Blobs(tmp_path / "b"))


def test_altered_content_is_refused_and_not_kept(memory: Memory, image: Image, tmp_path: Path) -> None:
    push_image(registry(memory), "library/base", image)
    layer = image.layers[0].descriptor
    pinned = parse_reference(f"r.io/library/base@{image.digest}")
    base = pull_base(registry(memory), pinned, PLATFORM, Blobs(tmp_path / "b"))
    good = memory.blobs["library/base", layer.digest]
    for bad in (good[:-1] + b"!", good + b"more", good[:-3]):
        memory.blobs["library/base", layer.digest] = bad
        with pytest.raises(Rejected, match="does not have its digest"):
            base.layers[0].fetch()
    assert not [path for path in (tmp_path / "b").iterdir() if path.name.startswith(".draft")]
    memory.blobs["library/base", layer.digest] = good
    assert base.layers[0].fetch().read_bytes() == good
    memory.manifests["library/base", image.digest] = image.manifest + b" "
    with pytest.raises(Rejected, match="does not have its digest"):
        pull_base(registry(memory), pinned, PLATFORM, Blobs(tmp_path / "c"))


def test_tokens_are_asked_for_by_scope_and_basic_logins_sent(memory: Memory, image: Image, logins: Path) -> None:
    def door(request: httpx.Request) -> httpx.Response | None:
        if request.url.host == "auth.io":
            assert request.headers["Authorization"] == f"Basic {base64.b64encode(f'user:{SECRET}'.encode()).decode()}"
            scope = request.url.params["scope"]
            return httpx.Response(200, json={"token": hashlib.sha256(scope.encode()).hexdigest()})
        wanted = hashlib.sha256(b"repository:team/a:pull,push").hexdigest()
        if request.headers.get("Authorization") != f"Bearer {wanted}":
            challenge = 'Bearer realm="https://auth.io/token",service="r.io",scope="ignored"'
            return httpx.Response(401, headers={"WWW-Authenticate": challenge})
        return None

    memory.trouble = door
    push_image(registry(memory, logins), "team/a", image)
    asked = [request for request in memory.asked if request.url.host == "auth.io"]
    assert len(asked) == 1
    assert asked[0].url.params["service"] == "r.io"


def test_no_login_goes_in_clear_where_the_registry_points_to(memory: Memory, image: Image, logins: Path) -> None:
    def door(request: httpx.Request) -> httpx.Response | None:
        if request.url.scheme == "https" and "Authorization" not in request.headers:
            return httpx.Response(401, headers={"WWW-Authenticate": "Basic"})
        if request.method == "POST":
            return httpx.Response(202, headers={"Location": f"http://{request.url.host}{request.url.path}1?state=x"})
        return None

    memory.trouble = door
    push_image(registry(memory, logins), "team/a", image)
    clear = [request for request in memory.asked if request.url.scheme == "http"]
    assert clear
    assert not [request for request in clear if "Authorization" in request.headers]


def test_a_refresh_token_is_exchanged(memory: Memory, image: Image, tmp_path: Path) -> None:
    file = tmp_path / "logins.json"
    file.write_text(json.dumps({"auths": {"r.io": {"identitytoken": "refresh me"}}}))

    def door(request: httpx.Request) -> httpx.Response | None:
        if request.url.host == "auth.io":
            assert b"refresh_token=refresh+me" in request.read()
            return httpx.Response(200, json={"access_token": "t"})
        if request.headers.get("Authorization") != "Bearer t":
            return httpx.Response(401, headers={"WWW-Authenticate": 'Bearer realm="https://auth.io/token"'})
        return None

    memory.trouble = door
    assert push_image(registry(memory, file), "team/a", image).uploaded == 2


@pytest.mark.parametrize(
    ("challenge", "words"),
    [
        ('Basic realm="x"', "asks for a user and a password"),
        ('Bearer realm="http://169.254.169.254/token"', "without TLS"),
        ("Negotiate", "asks for negotiate"),
        ("", "asks for nothing known"),
    ],
)
def test_a_challenge_that_is_not_answered(memory: Memory, image: Image, challenge: str, words: str) -> None:
    memory.trouble = lambda request: httpx.Response(401, headers={"WWW-Authenticate": challenge})
    with pytest.raises(Rejected, match=words) as caught:
        push_image(registry(memory), "team/a", image)
    assert "COLORLANE_REGISTRY_AUTH_FILE" in caught.value.remedy
    assert {request.url.host for request in memory.asked} == {"r.io"}


def test_a_denied_login_is_told_without_it(memory: Memory, image: Image, logins: Path) -> None:
    errors = {"errors": [{"code": "DENIED", "message": "no rights"}]}
    memory.trouble = lambda request: httpx.Response(403, json=errors if request.method != "HEAD" else None)
    with pytest.raises(Rejected, match=r"registry r\.io denies team/a") as caught:
        push_image(registry(memory, logins), "team/a", image)
    assert SECRET not in str(caught.value)


def test_blobs_from_another_host_come_without_the_login(memory: Memory, image: Image, logins: Path) -> None:
    memory.elsewhere = "https://store.example.com/blob"
    digest = image.layers[0].descriptor.digest
    memory.blobs["team/a", digest] = b"content"

    def door(request: httpx.Request) -> httpx.Response | None:
        if request.url.host == "store.example.com":
            assert "Authorization" not in request.headers
        elif "Authorization" not in request.headers:
            return httpx.Response(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        return None

    memory.trouble = door
    with registry(memory, logins).blob("team/a", digest) as chunks:
        assert b"".join(chunks) == b"content"


def test_an_upload_to_another_host_carries_no_login(memory: Memory, image: Image, logins: Path) -> None:
    def door(request: httpx.Request) -> httpx.Response | None:
        if request.url.host == "up.example.com":
            assert "Authorization" not in request.headers
            return httpx.Response(201)
        if "Authorization" not in request.headers:
            return httpx.Response(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        if request.method == "POST":
            return httpx.Response(202, headers={"Location": "https://up.example.com/1"})
        return None

    memory.trouble = door
    push_image(registry(memory, logins), "team/a", image)
    assert "up.example.com" in {request.url.host for request in memory.asked}


def test_trouble_that_passes_is_waited_for(memory: Memory, image: Image) -> None:
    seen: dict[str, int] = {}

    def flaky(request: httpx.Request) -> httpx.Response | None:
        key = f"{request.method} {request.url.path}"
        seen[key] = seen.get(key, 0) + 1
        if seen[key] == 1 and request.method == "PUT":
            raise httpx.ReadError("cut off")
        if seen[key] == 1:
            return httpx.Response(503)
        if seen[key] == 2 and request.method == "HEAD":
            return httpx.Response(429, headers={"Retry-After": "7"})
        return None

    memory.trouble = flaky
    pauses: list[float] = []
    assert push_image(registry(memory, pauses=pauses), "team/a", image).uploaded == 2
    assert memory.manifests["team/a", image.digest] == image.manifest
    assert 7.0 in pauses


def test_trouble_that_stays_is_transient(memory: Memory, image: Image) -> None:
    def away(request: httpx.Request) -> httpx.Response | None:
        raise httpx.ConnectError("connection refused")

    memory.trouble = away
    pauses: list[float] = []
    with pytest.raises(Transient, match=r"registry r\.io is away"):
        push_image(registry(memory, pauses=pauses), "team/a", image)
    assert len(memory.asked) == ATTEMPTS
    assert max(pauses) == LONGEST_PAUSE


def test_what_is_not_there_is_named(memory: Memory, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no r\.io/library/base/manifests/none"):
        pull_base(registry(memory), parse_reference("r.io/library/base:none"), PLATFORM, Blobs(tmp_path))


def test_a_registry_that_finds_another_digest(memory: Memory) -> None:
    with pytest.raises(Rejected, match="DIGEST_INVALID"):
        registry(memory).upload("team/a", f"sha256:{'0' * 64}", 3, lambda: iter([b"abc"]))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Bearer realm="https://a/t",service="s",scope="repository:x:pull,push"',
         Challenge("bearer", "https://a/t", "s", "repository:x:pull,push")),
        ('basic realm="x"', Challenge("basic", "x")),
        ("Bearer realm=https://a", Challenge("bearer", "https://a")),
        ("", Challenge("")),
    ],
)  # fmt: skip
def test_challenges(header: str, expected: Challenge) -> None:
    assert read_challenge(header) == expected
