"""The embedded Git host against real Git: clone, push, what is told, what is refused."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.integration.githost.conftest import Host

pytestmark = pytest.mark.integration

Git = Callable[..., subprocess.CompletedProcess[str]]
Serve = Callable[..., str]


def commit(git: Git, work: Path, name: str = "a.txt", size: int = 10) -> str:
    """Commit a file of incompressible bytes; return the commit."""
    import random

    (work / name).write_bytes(random.Random(name).randbytes(size))
    git("add", "-A", cwd=work)
    git("commit", "-q", "-m", name, cwd=work)
    return git("rev-parse", "HEAD", cwd=work).stdout.strip()


@pytest.fixture
def work(git: Git, tmp_path: Path) -> Path:
    git("init", "-q", "-b", "main", "work")
    return tmp_path / "work"


def test_push_then_clone_gives_the_same_commit_and_says_where_to_look(
    host: Host, serve: Serve, git: Git, work: Path, tmp_path: Path
) -> None:
    url = f"{serve(host)}/git/shop.git"
    revision = commit(git, work)
    pushed = git("push", url, "main", cwd=work)
    assert "remote: Colorlane: run 1 -> http://x/" in pushed.stderr
    assert host.pushed == ["shop"]
    git("clone", "-q", url, "copy")
    assert git("rev-parse", "HEAD", cwd=tmp_path / "copy").stdout.strip() == revision
    assert host.pushed == ["shop"], "a clone is not a push"


def test_a_failing_follow_up_never_fails_the_push(host: Host, serve: Serve, git: Git, work: Path) -> None:
    host.fail = True
    revision = commit(git, work)
    pushed = git("push", f"{serve(host)}/git/shop.git", "main", cwd=work)
    assert "your push is stored" in pushed.stderr
    assert git("rev-parse", "main", cwd=host.root / "shop.git").stdout.strip() == revision


def test_a_big_push_and_a_deletion(host: Host, serve: Serve, git: Git, work: Path) -> None:
    url = f"{serve(host)}/git/shop.git"
    commit(git, work, "big.bin", 30_000_000)
    git("push", "-q", url, "main", "main:alice", cwd=work)
    git("push", "-q", url, "--delete", "alice", cwd=work)
    refs = git("for-each-ref", "--format=%(refname)", cwd=host.root / "shop.git").stdout.split()
    assert refs == ["refs/heads/main"]


@pytest.mark.parametrize("version", ["0", "2"])
def test_protocol_versions(host: Host, serve: Serve, git: Git, work: Path, version: str, tmp_path: Path) -> None:
    url = f"{serve(host)}/git/shop.git"
    commit(git, work)
    git("push", "-q", url, "main", cwd=work)
    git("-c", f"protocol.version={version}", "clone", "-q", url, "copy")
    head = httpx.get(
        f"{url}/info/refs?service=git-upload-pack", headers={"git-protocol": f"version={version}"}, trust_env=False
    )
    assert ("version 2" in head.text) is (version == "2")


def test_gzip_bodies_are_understood(host: Host, serve: Serve, git: Git, work: Path) -> None:
    url = f"{serve(host)}/git/shop.git"
    commit(git, work)
    git("push", "-q", url, "main", cwd=work)
    body = b"0014command=ls-refs\n00010000"
    headers = {
        "content-type": "application/x-git-upload-pack-request",
        "content-encoding": "gzip",
        "git-protocol": "version=2",
    }
    answer = httpx.post(f"{url}/git-upload-pack", content=gzip.compress(body), headers=headers, trust_env=False)
    assert answer.status_code == 200
    assert b"refs/heads/main" in answer.content


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/git/nowhere.git/info/refs?service=git-upload-pack", 404),
        ("/git/hidden.git/info/refs?service=git-upload-pack", 404),
        ("/git/shop.git/HEAD", 404),
        ("/git/shop.git/objects/info/packs", 404),
        ("/git/..%2f..%2fetc.git/info/refs?service=git-upload-pack", 404),
        ("/git/shop.git/../shop.git/config", 404),
        ("/git/shop.git/info/refs", 400),
        ("/git/shop.git/info/refs?service=git-shell", 400),
        ("/git/shop.git/git-upload-pack", 400),
    ],
)
def test_only_the_smart_protocol_of_registered_projects(host: Host, serve: Serve, path: str, status: int) -> None:
    host.create("hidden")
    answer = httpx.get(serve(host) + path, trust_env=False)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_with_a_token_git_gives_it_as_the_password(host: Host, serve: Serve, git: Git, work: Path) -> None:
    url = f"{serve(host, 'sesame')}/git/shop.git"
    commit(git, work)
    assert git("push", url, "main", cwd=work, check=False).returncode != 0
    assert git("push", url.replace("//", "//me:wrong@"), "main", cwd=work, check=False).returncode != 0
    assert host.pushed == []
    git("push", "-q", url.replace("//", "//me:sesame@"), "main", cwd=work)
    assert host.pushed == ["shop"]


def test_nonsense_for_a_body_is_refused_and_leaves_no_process(host: Host, serve: Serve) -> None:
    url = f"{serve(host)}/git/shop.git/git-receive-pack"
    headers = {"content-type": "application/x-git-receive-pack-request"}
    answer = httpx.post(url, content=b"not a pkt-line" * 1000, headers=headers, trust_env=False)
    assert answer.status_code < 500 or answer.status_code == 504
    assert b"unpack ok" not in answer.content


def test_a_client_that_falls_silent_is_cut_off(host: Host, serve: Serve) -> None:
    import socket
    from urllib.parse import urlsplit

    address = urlsplit(serve(host, idle=0.5))
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(
            b"POST /git/shop.git/git-receive-pack HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 1000000\r\n\r\n0000"
        )
        received = b""
        while chunk := connection.recv(4096):
            received += chunk
    assert b"unpack ok" not in received
