"""The Dockerfile: pinned, not root, built from little."""

from __future__ import annotations

import re
import tomllib

from tests.architecture.sources import ROOT

LINES = (ROOT / "Dockerfile").read_text().splitlines()


def instructions(name: str) -> list[str]:
    return [line.removeprefix(f"{name} ") for line in LINES if line.startswith(f"{name} ")]


def test_the_base_is_pinned_to_a_patch_release() -> None:
    (base,) = (line for line in instructions("ARG") if line.startswith("BASE="))
    assert re.fullmatch(r"BASE=python:3\.\d+\.\d+-slim-\w+", base)
    assert {line.split(" AS ")[0] for line in instructions("FROM")} == {"${BASE}"}


def test_it_runs_as_a_numbered_user() -> None:
    (user,) = instructions("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)


def test_what_is_copied_exists_and_is_let_in() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for line in instructions("COPY") if not line.startswith("--") for name in line.split()[:-1]}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_the_extras_it_installs_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (chosen,) = (line for line in instructions("ARG") if line.startswith("EXTRAS="))
    assert set(chosen.removeprefix("EXTRAS=").split(",")) <= extras.keys()
