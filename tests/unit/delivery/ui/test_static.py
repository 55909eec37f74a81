"""The page's files: whole, strict and at home: nothing inline, nothing from elsewhere, nothing missing."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from delivery.ui import mount
from delivery.ui.pages import STATIC

FILES = sorted(path for path in STATIC.iterdir() if path.is_file())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
PAGES = [path for path in FILES if path.suffix == ".html"]


@pytest.fixture
def client() -> TestClient:
    app = FastAPI(docs_url=None)
    mount(app)
    return TestClient(app)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    text = re.sub(r'xmlns="[^"]*"', "", path.read_text())
    assert not re.findall(r"""(?:src|href|url|import|from)\W{0,3}["'(]\s*(?:https?:)?//""", text)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_nothing_is_inline(path: Path) -> None:
    """The policy forbids it, and the browser would drop it without a word to us."""
    text = path.read_text()
    assert not re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)


@pytest.mark.parametrize("path", [*SCRIPTS, *PAGES], ids=lambda path: path.name)
def test_what_is_referred_to_is_there(path: Path, client: TestClient) -> None:
    for address in re.findall(r'"(/static/[\w.-]+)"', path.read_text()):
        assert client.get(address).status_code == 200, address


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_imported_names_are_exported(path: Path) -> None:
    for names, module in re.findall(r'import \{([^}]*)\} from "/static/([\w.]+)"', path.read_text()):
        exported = set(
            re.findall(r"export (?:async )?(?:function\*?|const|class) (\w+)", (STATIC / module).read_text())
        )
        wanted = {name.strip() for name in names.split(",")}
        assert wanted <= exported, f"{module} does not export {wanted - exported}"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_markup_is_never_made_of_text(path: Path) -> None:
    """What a log or a branch name says must stay text."""
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", path.read_text()
    )


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_valid(path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on PATH")
    checked = subprocess.run(
        [node, "--input-type=module", "--check"], input=path.read_text(), capture_output=True, text=True, timeout=30
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("address", "kind"), [("/", "text/html"), ("/docs", "text/html"), ("/favicon.ico", "image/svg")]
)
def test_pages_are_served_and_asked_for_anew(client: TestClient, address: str, kind: str) -> None:
    answer = client.get(address)
    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers["cache-control"] == "no-cache"
    assert client.get("/static/../pages.py").status_code == 404
