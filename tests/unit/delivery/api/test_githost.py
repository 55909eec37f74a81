"""Which Git requests there are, and what `git http-backend` is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.api.githost import GitRequest, cgi_environment, parse
from delivery.errors import NotFound, Rejected

ROOT = Path("/srv/git")


def test_the_three_addresses() -> None:
    assert parse("GET", "/git/a-b.git/info/refs", "service=git-upload-pack").service == "git-upload-pack"
    assert parse("POST", "/git/a.git/git-receive-pack", "").is_push
    assert not parse("POST", "/git/a.git/git-upload-pack", "").is_push
    assert not parse("GET", "/git/a.git/info/refs", "service=git-receive-pack").is_push


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "../a", "a.git/../b", "A", "-a", "a-", "a" * 64, "a\n", "a%00"])
def test_names_that_are_no_names(name: str) -> None:
    with pytest.raises(NotFound):
        parse("GET", f"/git/{name}.git/info/refs", "service=git-upload-pack")


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_path_leads_out_of_the_root(name: str, end: str) -> None:
    try:
        request = parse("POST", f"/git/{name}.git/{end}", "")
    except Rejected:
        return
    environment = cgi_environment(request, {}, ROOT)
    assert (ROOT / environment["PATH_INFO"].lstrip("/")).resolve().parent.parent == ROOT


def test_the_environment_holds_nothing_of_the_caller_unchecked() -> None:
    headers = {
        "git-protocol": "version=2; rm -rf",
        "content-length": "-5",
        "content-encoding": "br",
        "proxy": "http://evil.example",
        "content-type": "application/x-git-receive-pack-request",
    }
    environment = cgi_environment(GitRequest("a", "git-receive-pack", "git-receive-pack", "POST"), headers, ROOT)
    assert not {"GIT_PROTOCOL", "CONTENT_LENGTH", "HTTP_CONTENT_ENCODING", "HTTP_PROXY", "HOME"} & environment.keys()
    assert environment["GIT_CONFIG_GLOBAL"] == "/dev/null"
