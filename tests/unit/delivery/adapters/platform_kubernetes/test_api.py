"""Requests against a server that misbehaves: busy, broken off, silent, refusing."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes.client import ApiClient, Configuration

from delivery.adapters.platform_kubernetes.api import Api
from delivery.adapters.platform_kubernetes.refusals import Refused
from delivery.errors import Transient


class Script(http.server.ThreadingHTTPServer):
    """Answers each request with the next of `answers`: (status, headers, body); None breaks the connection."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], dict[str, Any]] | None] = []
        self.asked: list[tuple[str, str, str]] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Script

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        self.server.asked.append((self.command, self.path, body))
        answer = self.server.answers.pop(0)
        if answer is None:
            self.close_connection = True
            return
        status, headers, document = answer
        text = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PATCH = do_DELETE = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def script() -> Iterator[Script]:
    with Script() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def api(script: Script) -> Api:
    return Api(ApiClient(Configuration(host=f"http://127.0.0.1:{script.server_port}")))


BUSY = (429, {"retry-after": "0"}, {"message": "too many"})
POD = (200, {}, {"metadata": {"name": "p"}})


def test_a_busy_server_is_asked_again_after_its_time(script: Script, api: Api) -> None:
    script.answers = [BUSY, BUSY, POD]
    assert api.get("Pod", "shop", "p") == {"metadata": {"name": "p"}}


def test_a_server_that_stays_busy_is_the_callers_affair(script: Script, api: Api) -> None:
    script.answers = [BUSY] * 3
    with pytest.raises(Refused) as refused:
        api.get("Pod", "shop", "p")
    assert refused.value.passing


def test_a_broken_connection_is_tried_once_more(script: Script, api: Api) -> None:
    script.answers = [None, POD, None, None]
    assert api.get("Pod", "shop", "p")
    with pytest.raises(Transient, match="does not answer"):
        api.get("Pod", "shop", "p")


def test_what_is_not_there_is_none_and_its_deletion_no_error(script: Script, api: Api) -> None:
    script.answers = [(404, {}, {"message": "not found"})] * 2
    assert api.get("Pod", "shop", "p") is None
    api.delete("Pod", "shop", "p", {"uid": "u"})
    assert json.loads(script.asked[1][2])["preconditions"] == {"uid": "u"}


def test_a_list_is_read_page_by_page(script: Script, api: Api) -> None:
    first = (200, {}, {"items": [1], "metadata": {"continue": "next", "resourceVersion": "5"}})
    script.answers = [first, (200, {}, {"items": [2], "metadata": {"resourceVersion": "5"}})]
    assert api.find("Pod", labelSelector="a=b") == ([1, 2], "5")
    assert "continue=next" in script.asked[1][1]
    assert all("labelSelector=a%3Db" in path for _, path, _ in script.asked)


def test_apply_says_who_and_whether(script: Script, api: Api) -> None:
    item = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "shop"}}
    script.answers = [POD]
    api.apply(item, force=False, dry_run=True)
    path = "/apis/apps/v1/namespaces/shop/deployments/d?fieldManager=colorlane&force=false&dryRun=All"
    assert script.asked == [("PATCH", path, json.dumps(item))]
