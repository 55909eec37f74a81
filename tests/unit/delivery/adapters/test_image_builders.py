"""Which builder of Dockerfiles an installation has, by its settings."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from delivery.adapters.image_builders import BuilderChoice, dockerfile_builder
from delivery.errors import Rejected
from delivery.settings import Settings
from pipelines.images.credentials import Credentials


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        (BuilderChoice(), ""),
        (BuilderChoice("process", buildkit_address="unix:///x"), ""),
        (BuilderChoice(buildkit_address="unix:///x", docker_host="unix:///y"), "buildkit"),
        (BuilderChoice(docker_host="unix:///y"), "docker"),
        (BuilderChoice("docker", "unix:///x", "unix:///y"), "docker"),
    ],
)
def test_the_builder_that_is_set_up(choice: BuilderChoice, kind: str) -> None:
    found = dockerfile_builder(choice, Credentials())
    assert (found.kind if found else "") == kind


@pytest.mark.parametrize("kind", ["buildkit", "docker"])
def test_a_choice_without_its_address_is_refused(kind: str) -> None:
    with pytest.raises(Rejected, match=f"COLORLANE_BUILDER={kind} needs COLORLANE_"):
        dockerfile_builder(BuilderChoice(kind), Credentials())


def test_a_load_command_must_name_the_archive() -> None:
    assert Settings(image_load="ctr images import {archive}").image_load
    with pytest.raises(ValidationError, match="archive"):
        Settings(image_load="ctr images import")
    with pytest.raises(ValidationError):
        Settings(image_platform="amd64")
