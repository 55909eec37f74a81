"""Images without an engine: built from the sample, pushed to a real registry, checked and started by other programs."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from pipelines.artifacts import ArtifactStore
from pipelines.images.credentials import Credentials
from pipelines.images.push import push_image
from pipelines.images.references import parse_reference
from pipelines.images.registry import Registry
from pipelines.packaging import ImageOptions, ImagePackaging
from pipelines.runs import JobState
from tests.fakes.background import free_port, wait_for
from tests.fakes.images import RunningRegistry, needs, python_root, run, running_registry, skopeo, tree_image
from tests.fakes.shops import Shop
from tests.fakes.tokens import token_service

pytestmark = pytest.mark.integration

PYTHON = "python:3.12-slim"  # what the sample names; an installation may take it from elsewhere


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture(scope="module")
def base(registry: RunningRegistry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A base with Python in the registry, under a name of its own, pushed by our own client."""
    place = tmp_path_factory.mktemp("base")
    image = tree_image(python_root(place / "root"), place, Env=["PATH=/usr/bin:/bin"], Labels={"base": "yes"})
    push(registry, "base/python", image, "3")
    return f"{registry.host}/base/python:3"


def push(registry: RunningRegistry, repository: str, image, tag: str) -> None:  # type: ignore[no-untyped-def]
    client = Registry(parse_reference(f"{registry.host}/x"), Credentials(), insecure=True)
    push_image(client, repository, image, tag)
    client.close()


def packaging(store: ArtifactStore, host: str, base: str, logins: Path | None = None, **more: object) -> ImagePackaging:
    values = {"repository": f"{host}/team", "insecure": frozenset({host}), "bases": {PYTHON: base}, **more}
    return ImagePackaging(ImageOptions(**values), store, Credentials(logins))  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "state")


def raw(registry: RunningRegistry, name: str) -> httpx.Response:
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    return httpx.get(f"http://{registry.host}/v2/{name}", headers=accept, trust_env=False)


def test_a_service_of_the_sample_is_in_the_registry_under_its_digest(
    registry: RunningRegistry, base: str, store: ArtifactStore, tmp_path: Path
) -> None:
    needs("skopeo", "umoci")
    shop = Shop(tmp_path / "shop")
    result, log = shop.build(store, packaging(store, registry.host, base), "details")
    assert result.state is JobState.SUCCEEDED, log
    assert store.has(result.artifact)
    record = store.images.get(result.artifact)
    assert record is not None
    assert record.name == f"{registry.host}/team/shop/details"
    assert "1 shared" in log  # the base's layer came over within the registry
    skopeo("copy", "--src-tls-verify=false", f"docker://{record.name}@{result.artifact}", f"oci:{tmp_path}/oci:got")
    index = json.loads((tmp_path / "oci" / "index.json").read_text())
    assert [entry["digest"] for entry in index["manifests"]] == [result.artifact]
    run("umoci", "unpack", "--rootless", "--image", f"{tmp_path}/oci:got", tmp_path / "bundle")
    root = tmp_path / "bundle" / "rootfs"
    assert {"app.py", "web.py", "version.txt"} <= {path.name for path in (root / "app").iterdir()}
    config = json.loads((tmp_path / "bundle" / "config.json").read_text())
    assert config["process"]["cwd"] == "/app"
    assert config["process"]["user"]["uid"] == 10001
    assert "PATH=/usr/bin:/bin" in config["process"]["env"]
    subprocess.run(["chmod", "-R", "u+w", tmp_path / "bundle"], check=True)


def test_a_second_push_sends_what_changed_only(
    registry: RunningRegistry, base: str, store: ArtifactStore, tmp_path: Path
) -> None:
    shop = Shop(tmp_path / "shop")
    made = packaging(store, registry.host, base)
    first, _ = shop.build(store, made, "details")
    shop.commit({"services/details/version.txt": "v2\n"})
    blobs = registry.blobs
    second, log = shop.build(store, made, "details")
    assert second.artifact != first.artifact
    assert "2 uploaded (0.0 MB), 1 there already" in log
    assert registry.blobs == blobs + 3  # layer, configuration, manifest
    assert not any(store.images.blobs.glob("*")) or not _holds_layers(store)


def _holds_layers(store: ArtifactStore) -> bool:
    """Tell whether a layer of the base was downloaded; its manifest and configuration are small."""
    return any(path.stat().st_size > 100_000 for path in store.images.blobs.iterdir())


def test_equal_content_has_an_equal_digest_on_another_machine(
    registry: RunningRegistry, base: str, store: ArtifactStore, tmp_path: Path
) -> None:
    one = Shop(tmp_path / "one")
    other = Shop(tmp_path / "other" / "shop")
    other.commit({"unrelated.txt": "another history"})
    elsewhere = ArtifactStore(tmp_path / "elsewhere")
    first, _ = one.build(store, packaging(store, registry.host, base), "productpage")
    second, _ = other.build(elsewhere, packaging(elsewhere, registry.host, base), "productpage")
    assert first.artifact == second.artifact
    assert not second.reused


def test_the_service_really_starts_from_its_image(
    registry: RunningRegistry, base: str, store: ArtifactStore, tmp_path: Path
) -> None:
    needs("skopeo", "umoci", "runc")
    if os.geteuid() != 0:
        pytest.skip("runc is run as root here")
    shop = Shop(tmp_path / "shop")
    result, log = shop.build(store, packaging(store, registry.host, base), "details")
    assert result.state is JobState.SUCCEEDED, log
    name = f"{registry.host}/team/shop/details@{result.artifact}"
    skopeo("copy", "--src-tls-verify=false", f"docker://{name}", f"oci:{tmp_path}/oci:got")
    bundle = tmp_path / "bundle"
    run("umoci", "unpack", "--image", f"{tmp_path}/oci:got", bundle)
    port = free_port()
    _configure(bundle, ["python3", "app.py"], {"PORT": str(port)})
    id = f"colorlane-test-{os.getpid()}"
    runc = ["runc", "--root", str(tmp_path / "runc")]
    process = subprocess.Popen([*runc, "run", "--bundle", bundle, id])
    try:
        answer = wait_for("the service answers", lambda: _get(f"http://127.0.0.1:{port}/healthz"), 30)
        assert answer == 200
    finally:
        subprocess.run([*runc, "kill", id, "KILL"], capture_output=True)
        process.kill()
        process.wait(10)
        subprocess.run([*runc, "delete", "--force", id], capture_output=True)


def _configure(bundle: Path, argv: list[str], env: dict[str, str]) -> None:
    """Run `argv` in the host's network, as the image's user; no cgroup and no terminal are needed for that."""
    file = bundle / "config.json"
    config = json.loads(file.read_text())
    config["process"] |= {"args": argv, "terminal": False}
    config["process"]["env"] += [f"{name}={value}" for name, value in env.items()]
    config["linux"]["namespaces"] = [{"type": "mount"}]
    config["linux"].pop("resources", None)
    config.pop("hostname", None)
    config["mounts"] = [{"destination": "/proc", "type": "proc", "source": "proc"}]
    file.write_text(json.dumps(config))


def _get(url: str) -> int:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as answer:
            return int(answer.status)
    except OSError:
        return 0


def test_scratch_takes_a_tree_alone(registry: RunningRegistry, store: ArtifactStore, tmp_path: Path) -> None:
    spec = "services: {one: {build: {command: 'rm notes'}, image: {base: scratch}}}\n"
    shop = Shop(tmp_path / "shop", {"colorlane.yaml": spec, "services/one/run": "x", "services/one/notes": "n"})
    result, log = shop.build(store, packaging(store, registry.host, ""), "one")
    assert result.state is JobState.SUCCEEDED, log
    manifest = raw(registry, f"team/shop/one/manifests/{result.artifact}").json()
    assert len(manifest["layers"]) == 1


def test_a_registry_with_passwords(base: str, store: ArtifactStore, tmp_path: Path) -> None:
    """Without a login it says so; with a wrong one, too; with the right one it pushes; the log never shows it."""
    needs("htpasswd")
    secret = "correct horse/+="
    line = run("htpasswd", "-Bbn", "pusher", secret).strip()
    (tmp_path / "htpasswd").write_text(f"{line}\n")
    shop = Shop(tmp_path / "shop")
    auth: dict[str, object] = {"htpasswd": {"realm": "test", "path": str(tmp_path / "htpasswd")}}
    with running_registry(tmp_path / "private", auth=auth) as private:
        insecure = frozenset({private.host, base.partition("/")[0]})
        for given, ok in (("", False), ("wrong", False), (secret, True)):
            logins = logins_file(tmp_path, private.host, given)
            made = packaging(store, private.host, base, logins, insecure=insecure)
            result, log = shop.build(store, made, "details")
            assert (result.state is JobState.SUCCEEDED) is ok, log
            assert secret not in log
            assert secret not in result.message
            if not ok:
                assert "COLORLANE_REGISTRY_AUTH_FILE" in result.message
                assert private.host in result.message
        answer = raw(private, f"team/shop/details/manifests/{result.artifact}")
        assert answer.status_code == 401
        tags = httpx.get(
            f"http://{private.host}/v2/team/shop/details/tags/list", auth=("pusher", secret), trust_env=False
        )
        assert len(tags.json()["tags"]) == 1


def test_a_registry_with_tokens(base: str, store: ArtifactStore, tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    with (
        token_service(tmp_path, "pusher", "right") as tokens,
        running_registry(tmp_path / "private", auth=tokens.configuration()) as private,
    ):
        insecure = frozenset({private.host, base.partition("/")[0]})
        for given, ok in (("wrong", False), ("right", True)):
            logins = logins_file(tmp_path, private.host, given)
            made = packaging(store, private.host, base, logins, insecure=insecure)
            result, log = shop.build(store, made, "details")
            assert (result.state is JobState.SUCCEEDED) is ok, log
        assert set(tokens.scopes) == {"repository:team/shop/details:pull,push"}
        assert raw(private, f"team/shop/details/manifests/{result.artifact}").status_code == 401


def logins_file(place: Path, host: str, password: str) -> Path:
    auth = base64.b64encode(f"pusher:{password}".encode()).decode()
    file = place / "logins.json"
    file.write_text(json.dumps({"auths": {host: {"auth": auth}} if password else {}}))
    return file


def test_kept_as_a_file_it_has_the_same_digest_and_others_read_it(
    registry: RunningRegistry, base: str, store: ArtifactStore, tmp_path: Path
) -> None:
    needs("skopeo")
    shop = Shop(tmp_path / "shop")
    made = packaging(store, registry.host, base, repository="")
    result, log = shop.build(store, made, "details")
    assert result.state is JobState.SUCCEEDED, log
    archive = store.images.archive(result.artifact)
    told = json.loads(skopeo("inspect", f"oci-archive:{archive}"))
    assert told["Digest"] == result.artifact
    docker = json.loads(skopeo("inspect", f"docker-archive:{archive}"))
    assert docker["Layers"]
    archive.unlink()
    assert not store.has(result.artifact)
    again, _ = shop.build(store, made, "details")
    assert (again.artifact, again.reused) == (result.artifact, False)


def test_a_kept_image_is_loaded_by_the_command(base: str, store: ArtifactStore, tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    host = base.partition("/")[0]
    loaded = tmp_path / "loaded by {archive}.tar"
    made = packaging(store, host, base, repository="", load=("cp", "{archive}", str(loaded).replace("{archive}", "x")))
    result, log = shop.build(store, made, "details")
    assert result.state is JobState.SUCCEEDED, log
    assert (tmp_path / "loaded by x.tar").stat().st_size == store.images.archive(result.artifact).stat().st_size
    failing = packaging(store, host, base, repository="", load=("false", "{archive}"))
    shop.commit({"services/details/version.txt": "v3\n"})
    red, _ = shop.build(store, failing, "details")
    assert red.state is JobState.FAILED
    assert "COLORLANE_IMAGE_LOAD" in red.message


def test_containerd_finds_a_loaded_image_by_its_digest(
    registry: RunningRegistry, base: str, store: ArtifactStore, tmp_path: Path
) -> None:
    needs("containerd", "ctr")
    if os.geteuid() != 0:
        pytest.skip("containerd is run as root here")
    shop = Shop(tmp_path / "shop")
    result, log = shop.build(store, packaging(store, registry.host, base, repository=""), "details")
    assert result.state is JobState.SUCCEEDED, log
    socket = tmp_path / "c.sock"
    (tmp_path / "c.toml").write_text(
        f'version = 2\nroot = "{tmp_path}/croot"\nstate = "{tmp_path}/cstate"\n[grpc]\naddress = "{socket}"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'.replace("disabled", "#disabled")
    )
    process = subprocess.Popen(
        ["containerd", "--config", tmp_path / "c.toml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        ctr = ["ctr", "--address", str(socket), "--namespace", "k8s.io", "images"]
        wait_for("containerd answers", lambda: not subprocess.run([*ctr, "list"], capture_output=True).returncode, 30)
        run(*ctr, "import", store.images.archive(result.artifact))
        assert f"colorlane.local/shop/details@{result.artifact}" in run(*ctr, "list", "--quiet")
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(tmp_path / "croot", ignore_errors=True)


def test_a_base_that_cannot_be_had(registry: RunningRegistry, store: ArtifactStore, tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    missing = f"{registry.host}/base/python"
    result, _ = shop.build(store, packaging(store, registry.host, f"{missing}:none"), "details")
    assert result.state is JobState.FAILED
    assert f"there is no {missing}/manifests/none" in result.message
    bare = Shop(tmp_path / "bare", {"colorlane.yaml": "services: {one: {}}\n", "services/one/run": "x"})
    result, _ = bare.build(store, packaging(store, registry.host, ""), "one")
    assert result.state is JobState.FAILED
    assert "has no base for its image" in result.message
    assert not any((tmp_path / "state" / "artifacts").glob("images/*.json"))


def test_a_given_image_is_taken_by_digest(
    registry: RunningRegistry, base: str, store: ArtifactStore, tmp_path: Path
) -> None:
    digest = raw(registry, "base/python/manifests/3").headers["Docker-Content-Digest"]
    spec = f"services: {{one: {{image: {{reference: '{registry.host}/base/python@{digest}'}}}}}}\n"
    shop = Shop(tmp_path / "shop", {"colorlane.yaml": spec})
    result, log = shop.build(store, packaging(store, registry.host, ""), "one")
    assert (result.state, result.artifact) == (JobState.SUCCEEDED, digest), log
    missing = spec.replace(digest, f"sha256:{'0' * 64}")
    shop.commit({"colorlane.yaml": missing})
    red, _ = shop.build(store, packaging(store, registry.host, ""), "one")
    assert red.state is JobState.FAILED
    assert "there is no" in red.message


def test_a_build_that_is_canceled_leaves_no_image(
    registry: RunningRegistry, base: str, store: ArtifactStore, tmp_path: Path
) -> None:
    shop = Shop(tmp_path / "shop")
    log = tmp_path / "details.log"
    made = packaging(store, registry.host, base, repository="")

    def keep_going() -> bool:
        return "base " not in (log.read_text() if log.exists() else "")

    result, text = shop.build(store, made, "details", keep_going)
    if result.state is not JobState.SUCCEEDED:  # it may have been faster than the question
        assert result.state is JobState.CANCELED, text
        assert not any((tmp_path / "state" / "artifacts" / "images").glob("*.tar"))


def test_a_registry_that_comes_back_is_waited_for(base: str, store: ArtifactStore, tmp_path: Path) -> None:
    """The push begins while nobody listens; the registry starts when the log says that it is away."""
    shop = Shop(tmp_path / "shop")
    host = f"127.0.0.1:{free_port()}"
    insecure = frozenset({host, base.partition("/")[0]})
    log = tmp_path / "details.log"
    started: list[RunningRegistry] = []
    with ExitStack() as opened:

        def keep_going() -> bool:
            if "away or busy" in (log.read_text() if log.exists() else "") and not started:
                started.append(opened.enter_context(running_registry(tmp_path / "late", host=host)))
            return True

        made = packaging(store, host, base, insecure=insecure)
        result, text = shop.build(store, made, "details", keep_going)
        assert result.state is JobState.SUCCEEDED, text
        assert "away or busy" in text
