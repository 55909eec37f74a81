"""Credentials: Docker's file in all its forms, and never a password in what is shown."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from pipelines.errors import Rejected
from pipelines.images.credentials import Credentials, Login
from pipelines.images.references import DEFAULT_LOGINS, DEFAULT_REGISTRY


def auth(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "config.json"
    auths = {
        "r.io:5000": {"auth": auth("a", "b:c")},
        "https://plain.io/v2/": {"username": "u", "password": "p"},
        DEFAULT_LOGINS[0]: {"auth": auth("hub", "x")},
        "token.io": {"auth": auth("oauth", ""), "identitytoken": "refresh"},
    }
    place.write_text(json.dumps({"auths": auths, "credsStore": "desktop"}))
    return place


def test_logins_by_registry(file: Path) -> None:
    logins = Credentials(file)
    assert logins.login("r.io:5000") == Login("a", "b:c")
    assert logins.login("plain.io") == Login("u", "p")
    assert logins.login(DEFAULT_REGISTRY) == Login("hub", "x")
    assert logins.login("token.io").identity == "refresh"
    assert not logins.login("r.io")
    assert not Credentials().login("r.io")


def test_a_replaced_file_counts_at_once(file: Path) -> None:
    logins = Credentials(file)
    assert logins.login("r.io:5000")
    file.write_text("{}")
    assert not logins.login("r.io:5000")


def test_nothing_shows_a_password(file: Path) -> None:
    shown = repr(Credentials(file).login("r.io:5000")) + repr(Credentials(file))
    assert "b:c" not in shown
    assert "refresh" not in repr(Credentials(file).login("token.io"))


@pytest.mark.parametrize("content", ["{", "[]", '{"auths": {"r.io": {"auth": "s3cret !"}}}', None])
def test_a_wrong_file_is_refused_without_its_content(tmp_path: Path, content: str | None) -> None:
    place = tmp_path / "config.json"
    if content is not None:
        place.write_text(content)
    with pytest.raises(Rejected) as caught:
        Credentials(place).login("r.io")
    assert caught.value.field == "COLORLANE_REGISTRY_AUTH_FILE"
    assert "s3cret" not in caught.value.message


def test_other_programs_get_the_logins_alone(file: Path) -> None:
    assert set(json.loads(Credentials(file).content())) == {"auths"}
    assert json.loads(Credentials().content()) == {"auths": {}}
