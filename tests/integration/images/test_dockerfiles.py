"""Dockerfiles, built by a real buildkitd and a real Docker engine, then pushed by the worker to a real registry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.artifacts import ArtifactStore
from pipelines.builders.buildkit import BuildkitBuilder, fixed_address
from pipelines.builders.engine import EngineBuilder
from pipelines.images.credentials import Credentials
from pipelines.images.push import push_image
from pipelines.images.references import parse_reference
from pipelines.images.registry import Registry
from pipelines.packaging import ImageOptions, ImagePackaging
from pipelines.ports import DockerfileBuilder
from pipelines.runs import JobState
from tests.fakes.images import RunningRegistry, python_root, running_buildkitd, running_registry, skopeo, tree_image
from tests.fakes.shops import Shop

pytestmark = pytest.mark.integration

SPEC = """\
services:
  one:
    build: {command: "echo built > made"}
    image: {dockerfile: images/Dockerfile, target: run, args: {WHO: "you & me"}}
"""
DOCKERFILE = """\
FROM BASE AS make
ARG WHO
ENV WHO=$WHO
COPY . /app
RUN ["python3", "-c", "import os; open('/app/who', 'w').write(os.environ['WHO']); print('in ' + 'the build')"]
FROM make AS run
WORKDIR /app
USER 10001
FROM make AS last
RUN ["python3", "-c", "raise SystemExit('the wrong stage')"]
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    place = tmp_path_factory.mktemp("registry")
    with running_registry(place) as found:
        image = tree_image(python_root(place / "root"), place, Env=["PATH=/usr/bin:/bin"])
        client = Registry(parse_reference(f"{found.host}/x"), Credentials(), insecure=True)
        push_image(client, "base/python", image, "3")
        client.close()
        yield found


@pytest.fixture(scope="module", params=["buildkit", "docker"])
def builder(
    request: pytest.FixtureRequest, registry: RunningRegistry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DockerfileBuilder]:
    place = tmp_path_factory.mktemp("builder")
    if request.param == "docker":
        with docker_engine(registry) as host:
            yield EngineBuilder(host, Credentials())
        return
    with running_buildkitd(place, place / "buildkitd.sock", registry.host) as address:
        yield BuildkitBuilder(fixed_address(address), Credentials())


@contextmanager
def docker_engine(registry: RunningRegistry) -> Iterator[str]:
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "-H", host, "info"], capture_output=True).returncode:
        pytest.skip("needs a Docker engine at DOCKER_HOST")
    yield host
    subprocess.run([docker, "-H", host, "rmi", f"{registry.host}/base/python:3"], capture_output=True)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "state")


def shop_with(place: Path, registry: RunningRegistry, dockerfile: str = DOCKERFILE, spec: str = SPEC) -> Shop:
    text = dockerfile.replace("BASE", f"{registry.host}/base/python:3")
    files = {"colorlane.yaml": spec, "services/one/images/Dockerfile": text, "services/one/run.sh": "#!/bin/sh\n"}
    return Shop(place, files)


def made_with(
    store: ArtifactStore, registry: RunningRegistry, builder: DockerfileBuilder, **more: object
) -> ImagePackaging:
    values = {"repository": f"{registry.host}/team", "insecure": frozenset({registry.host}), **more}
    return ImagePackaging(ImageOptions(**values), store, Credentials(), builder)  # type: ignore[arg-type]


def test_the_stage_asked_for_is_built_and_pushed(
    registry: RunningRegistry, builder: DockerfileBuilder, store: ArtifactStore, tmp_path: Path
) -> None:
    shop = shop_with(tmp_path / "shop", registry)
    result, log = shop.build(store, made_with(store, registry, builder), "one")
    assert result.state is JobState.SUCCEEDED, log
    assert "in the build" in log
    name = f"docker://{registry.host}/team/shop/one@{result.artifact}"
    skopeo("copy", "--src-tls-verify=false", name, f"dir:{tmp_path}/got")
    manifest = json.loads((tmp_path / "got" / "manifest.json").read_text())
    config = json.loads((tmp_path / "got" / manifest["config"]["digest"].removeprefix("sha256:")).read_text())
    assert config["config"]["WorkingDir"] == "/app"
    assert config["config"]["User"] == "10001"
    found: dict[str, tuple[int, str]] = {}
    for layer in manifest["layers"][1:]:
        found |= files_of(tmp_path / "got" / layer["digest"].removeprefix("sha256:"))
    assert found["app/who"][1] == "you & me"
    assert found["app/made"][1] == "built\n"  # the build command's tree is the context
    assert found["app/run.sh"][0] & 0o777 == 0o644  # not read-only, as artifacts are kept


def files_of(layer: Path) -> dict[str, tuple[int, str]]:
    with tarfile.open(layer) as tar:
        return {
            member.name: (member.mode, file.read().decode(errors="replace"))
            for member in tar
            if (file := tar.extractfile(member)) is not None
        }


def test_a_red_dockerfile_ends_with_its_last_words(
    registry: RunningRegistry, builder: DockerfileBuilder, store: ArtifactStore, tmp_path: Path
) -> None:
    broken = 'FROM BASE\nRUN ["python3", "-c", "raise SystemExit(\'no such luck\')"]\n'
    shop = shop_with(tmp_path / "shop", registry, broken, SPEC.replace("target: run, ", ""))
    result, log = shop.build(store, made_with(store, registry, builder), "one")
    assert result.state is JobState.FAILED
    assert "no such luck" in log
    assert "the Dockerfile of one did not build" in result.message
    assert not any((tmp_path / "state" / "artifacts").glob("images/*.json"))


def test_a_build_ends_when_canceled_or_out_of_time(
    registry: RunningRegistry, builder: DockerfileBuilder, store: ArtifactStore, tmp_path: Path
) -> None:
    mark = f"colorlane-test-{tmp_path.name}"
    slow = f'FROM BASE\nRUN ["python3", "-c", "import time; print(\'{mark}\', flush=True); time.sleep(600)"]\n'
    plain = SPEC.replace("target: run, ", "")
    shop = shop_with(tmp_path / "shop", registry, slow, plain)
    log = tmp_path / "one.log"

    def keep_going() -> bool:
        return f"\n{mark}" not in (text := log.read_text() if log.exists() else "") and f" {mark}\n" not in text

    result, text = shop.build(store, made_with(store, registry, builder), "one", keep_going)
    assert result.state is JobState.CANCELED, text
    shop.commit({"colorlane.yaml": plain.replace("image: {", "image: {timeout: 3s, ")})
    late, text = shop.build(store, made_with(store, registry, builder), "one")
    assert late.state is JobState.FAILED, text
    assert "services.one.image.timeout" in late.message


def test_without_a_builder_the_remedy_is_told(registry: RunningRegistry, store: ArtifactStore, tmp_path: Path) -> None:
    shop = shop_with(tmp_path / "shop", registry)
    made = ImagePackaging(ImageOptions(repository=f"{registry.host}/team"), store)
    result, _ = shop.build(store, made, "one")
    assert result.state is JobState.FAILED
    assert "COLORLANE_BUILDER" in result.message
