"""BuildKit's command line, with a `buildctl` that writes down how it was called; logins are files, never arguments."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from pipelines.builders.buildkit import BuildkitBuilder, fixed_address
from pipelines.images.credentials import Credentials
from pipelines.logs import JobLog
from pipelines.ports import DockerfileRequest, RedBuild
from pipelines.specs import ImageSpec

IMAGE = ImageSpec(dockerfile="docker/Web.Dockerfile", target="run", args={"B": "two words; $x", "A": "1"})
PROGRAM = """#!/bin/sh
printf '%s\\n' "$@" > {place}/arguments
env > {place}/environment
cat "$HOME/.docker/config.json" > {place}/logins
for argument; do case "$argument" in type=oci,dest=*) dest=${{argument#type=oci,dest=}}; esac; done
{end}
"""


@pytest.fixture
def logins(tmp_path: Path) -> Path:
    file = tmp_path / "logins.json"
    file.write_text(json.dumps({"auths": {"r.io": {"auth": base64.b64encode(b"user:s3cret").decode()}}}))
    return file


def build(tmp_path: Path, logins: Path, end: str) -> tuple[Path, Path]:
    program = tmp_path / "buildctl"
    program.write_text(PROGRAM.format(place=tmp_path, end=end))
    program.chmod(0o755)
    (tmp_path / "work").mkdir()
    made = BuildkitBuilder(
        fixed_address("tcp://builder:1234"),
        Credentials(logins),
        environment={"KUBECONFIG": "/etc/k"},
        program=str(program),
    )
    request = DockerfileRequest("web", tmp_path / "context", IMAGE, "linux/arm64")
    with JobLog(tmp_path / "log") as log:
        return made.build(request, tmp_path / "work", log, lambda: True), tmp_path


def test_what_buildctl_is_told(tmp_path: Path, logins: Path) -> None:
    archive, place = build(tmp_path, logins, 'echo image > "${dest%%,*}"')
    assert archive.read_text() == "image\n"
    arguments = (place / "arguments").read_text().splitlines()
    options = [arguments[index + 1] for index, word in enumerate(arguments) if word == "--opt"]
    assert arguments[:3] == ["--addr", "tcp://builder:1234", "build"]
    assert options == ["filename=Web.Dockerfile", "platform=linux/arm64", "build-arg:SOURCE_DATE_EPOCH=315532800",
                       "target=run", "build-arg:A=1", "build-arg:B=two words; $x"]  # fmt: skip
    assert f"dockerfile={tmp_path}/context/docker" in arguments
    assert "s3cret" in base64.b64decode(json.loads((place / "logins").read_text())["auths"]["r.io"]["auth"]).decode()
    encoded = base64.b64encode(b"user:s3cret").decode()
    assert encoded not in (place / "arguments").read_text() + (place / "environment").read_text()
    assert "KUBECONFIG=/etc/k" in (place / "environment").read_text()
    assert not list((tmp_path / "work").rglob("config.json"))


def test_a_red_build_ends_with_its_last_words(tmp_path: Path, logins: Path) -> None:
    with pytest.raises(RedBuild, match="the Dockerfile of web did not build; last words: no space left"):
        build(tmp_path, logins, "echo no space left; exit 1")


def test_success_without_an_image_is_red(tmp_path: Path, logins: Path) -> None:
    with pytest.raises(RedBuild):
        build(tmp_path, logins, "true")
