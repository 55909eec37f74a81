"""Which image a service gets, and what makes two of them different."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.artifacts import ArtifactStore
from pipelines.packaging import ImageOptions, ImagePackaging
from pipelines.plans import TreeEntry
from pipelines.ports import DockerfileRequest, KeepGoing, Log, PackageRequest, RedBuild
from pipelines.specs import ImageSpec, ServiceSpec

TREE = {
    path: TreeEntry(path, "100644", "0" * 40) for path in ("services/a/main", "services/b/Dockerfile", "Dockerfile")
}


class Nobody:
    """A builder of Dockerfiles that is never asked."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def build(self, request: DockerfileRequest, workspace: Path, log: Log, keep_going: KeepGoing) -> Path:
        raise AssertionError(request)


class Notes:
    """A log in memory."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

    def write(self, data: bytes) -> None:
        self.lines.append(data.decode())

    def last_line(self) -> str:
        return self.lines[-1] if self.lines else ""


def packaging(tmp_path: Path, kind: str = "", **options: object) -> ImagePackaging:
    values = {"base": "python:3", **options}
    builder = Nobody(kind) if kind else None
    return ImagePackaging(ImageOptions(**values), ArtifactStore(tmp_path), None, builder)  # type: ignore[arg-type]


def service(name: str = "a", image: ImageSpec | None = None, path: str = "") -> ServiceSpec:
    return ServiceSpec(name, path or f"services/{name}", (), image=image)


def test_what_is_said_wins_then_a_dockerfile_then_the_default_base(tmp_path: Path) -> None:
    made = packaging(tmp_path)
    said = ImageSpec(base="node:24")
    assert made.image(service("b", said), TREE) == said
    assert made.image(service("b"), TREE) == ImageSpec(dockerfile="Dockerfile")
    assert made.image(service("a"), TREE) == ImageSpec(base="python:3")
    assert made.image(service("root", path="."), TREE) == ImageSpec(dockerfile="Dockerfile")


def test_where_images_go() -> None:
    assert ImageOptions(repository="r.io/team").image_name("shop", "a") == "r.io/team/shop/a"
    assert ImageOptions().image_name("shop", "a") == "colorlane.local/shop/a"


@pytest.mark.parametrize(
    "change",
    [
        {"repository": "r.io/other"},
        {"platform": "linux/arm64"},
        {"base": "python:4"},
        {"bases": {"python:3": "mirror.io/python:3"}},
    ],
)
def test_another_installation_makes_another_image(tmp_path: Path, change: dict[str, object]) -> None:
    one = packaging(tmp_path).identity("shop", service(), TREE)
    assert packaging(tmp_path, **change).identity("shop", service(), TREE) != one


def test_what_decides_an_image_and_what_does_not(tmp_path: Path) -> None:
    made = packaging(tmp_path, "docker")
    one = made.identity("shop", service(), TREE)
    assert made.identity("other", service(), TREE) != one
    assert packaging(tmp_path, "buildkit", insecure=frozenset({"r.io"})).identity("shop", service(), TREE) == one
    build = ImageSpec(dockerfile="D", args={"A": "1"})
    first = made.identity("shop", service(image=build), TREE)
    for other in (ImageSpec(dockerfile="E", args={"A": "1"}), ImageSpec(dockerfile="D", args={"A": "2"}),
                  ImageSpec(dockerfile="D", args={"A": "1"}, target="x")):  # fmt: skip
        assert made.identity("shop", service(image=other), TREE) != first
    assert made.identity("shop", service(image=ImageSpec(dockerfile="D", args={"A": "1"}, timeout=1)), TREE) == first
    assert packaging(tmp_path, "buildkit").identity("shop", service(image=build), TREE) != first


def test_nobody_waits_for_the_registry_of_a_given_image(tmp_path: Path) -> None:
    given = ImageSpec(reference=f"127.0.0.1:1/page@sha256:{'5' * 64}")
    notes = Notes()
    request = PackageRequest("shop", service("page", given), given, None, "c0ffee")
    made = packaging(tmp_path).package(request, tmp_path, notes, lambda: True)
    assert made == f"sha256:{'5' * 64}"
    assert any("cannot see whether the image is there" in line for line in notes.lines)


@pytest.mark.parametrize("trick", ["file", "folder", "tree"])
def test_a_link_shows_the_builder_no_file_from_elsewhere(tmp_path: Path, trick: str) -> None:
    """What a build's commands cannot read must not come out in the builder's words about a Dockerfile that is none."""
    elsewhere, source = tmp_path / "registry", tmp_path / "staged"
    (elsewhere / "at").mkdir(parents=True)
    (elsewhere / "at" / "config.json").write_text("secret login")
    if trick == "tree":
        source.symlink_to(elsewhere)
    else:
        (source / "at").mkdir(parents=True)
        if trick == "file":
            (source / "at" / "config.json").symlink_to(elsewhere / "at" / "config.json")
        else:
            (source / "at").rmdir()
            (source / "at").symlink_to(elsewhere / "at")
    image = ImageSpec(dockerfile="at/config.json")
    request = PackageRequest("shop", service("page", image), image, source, "c0ffee")
    with pytest.raises(RedBuild):
        packaging(tmp_path / "state", "buildkit").package(request, tmp_path, Notes(), lambda: True)
