"""Which projects are taken: names, addresses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from delivery.errors import Conflict, Rejected
from delivery.flows.register_project import register_project
from tests.fakes.world import FakeWorld


@pytest.fixture
def shop() -> FakeWorld:
    return FakeWorld()


@pytest.mark.parametrize("name", ["", "Shop", "a--b", "-a", "a-", "x" * 41, "a.b", "1a", "a b"])
def test_bad_project_names_are_refused(shop: FakeWorld, name: str) -> None:
    with pytest.raises(Rejected) as refused:
        register_project(shop.world, name)
    assert refused.value.field == "name"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("clone_url", "https://oauth2:glpat-x@gitlab.example/g/p.git"),
        ("clone_url", "--upload-pack=touch /tmp/owned"),
        ("clone_url", "ext::sh -c whoami"),
        ("forge_url", "https://root:pw@gitlab.example"),
        ("forge_url", "gitlab.example"),
    ],
)
def test_addresses_hold_neither_secrets_nor_options(shop: FakeWorld, field: str, value: str) -> None:
    world = replace(shop.world, forges={"gitlab": shop.forge})
    good = {"clone_url": "https://gitlab.example:8443/g/p.git", "forge_url": "https://gitlab.example"}
    with pytest.raises(Rejected) as refused:
        register_project(world, "hub", forge="gitlab", forge_project="g/p", **{**good, field: value})
    assert refused.value.field == field
    assert "glpat" not in str(refused.value)
    for clone_url in (good["clone_url"], "git@gitlab.example:g/p.git", "ssh://git@gitlab.example/g/p.git"):
        name = f"hub{len(shop.store.projects.find())}"
        register_project(world, name, forge="gitlab", forge_project="g/p", **{**good, "clone_url": clone_url})


def test_project_names_are_taken_once(shop: FakeWorld) -> None:
    with pytest.raises(Conflict):
        register_project(shop.world, "shop")
