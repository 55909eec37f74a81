"""The embedded stack, real Envoys, Redis and Git, on free ports; one for all end-to-end tests of a session."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from delivery.demo.doors import Doors, Row
from delivery.embedded import Stack
from delivery.settings import Settings

SERVER = """\
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = open("text.txt", "rb").read()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

SPEC = """\
entry: echo
manifests: k8s
services:
  echo:
    path: echo
environments:
  production: {branch: main, strategy: quick}
  preview: {branches: ["*"], strategy: instant}
strategies:
  instant: {steps: [], progressDeadline: 5s}
  quick:
    steps: [{setWeight: 50}, {pause: {}}]
    progressDeadline: 5s
"""

MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo}
spec:
  replicas: 1
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
        - name: echo
          image: echo
          command: [python3, server.py]
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: echo}
spec:
  selector: {app: echo}
  ports: [{name: http, port: 80, targetPort: http}]
"""

FILES: Mapping[str, str] = {
    "colorlane.yaml": SPEC,
    "k8s/kustomization.yaml": "resources: [echo.yaml]\n",
    "k8s/echo.yaml": MANIFESTS,
    "echo/server.py": SERVER,
    "echo/text.txt": "one\n",
}

GIT = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.com",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.com",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
}


@dataclass
class Repository:
    """A working copy of a tiny one-service project, pushed to the embedded Git host."""

    directory: Path
    project: str
    doors: Doors
    files: dict[str, str] = field(default_factory=lambda: dict(FILES))

    def git(self, *words: str) -> str:
        """Run git; the output, or an AssertionError with git's words."""
        environment = os.environ | GIT | {"HOME": str(self.directory)}
        done = subprocess.run(
            ["git", *words],
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def push(self, branch: str = "main", **changed: str) -> str:
        """Write the files, commit, push to `branch`; return the commit. Keys: path with "/" and "." as they are."""
        self.files.update(changed)
        for path, text in self.files.items():
            target = self.directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", f"change {branch}")
        self.git("push", "-q", "-f", "origin", f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD")

    def ended(self, revision: str, seconds: float = 60) -> Row:
        """Wait for the commit's run to end."""
        return self.doors.ended_run(self.project, revision, seconds)


@dataclass
class Running:
    """The running stack with its doors."""

    stack: Stack
    settings: Settings
    doors: Doors
    api: str
    gateway: str

    def repository(self, directory: Path, project: str) -> Repository:
        """Register a project and return a working copy of it."""
        self.doors.post("projects", name=project)
        directory.mkdir(parents=True, exist_ok=True)
        repository = Repository(directory, project, self.doors)
        repository.git("init", "-q", "-b", "main")
        repository.git("remote", "add", "origin", f"{self.api}/git/{project}.git")
        return repository


def free_ports(count: int) -> list[int]:
    """Return ports that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def settings_in(directory: Path, **more: Any) -> Settings:
    """Return settings for a stack of its own."""
    api, gateway, xds, mesh = free_ports(4)
    return Settings(
        state_dir=directory,
        api_port=api,
        gateway_port=gateway,
        xds_port=xds,
        mesh_port=mesh,
        mesh_url=f"http://127.0.0.1:{mesh}",
        **more,
    )


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The stack, started once and stopped at the end."""
    settings = settings_in(tmp_path_factory.mktemp("stack"))
    stack = Stack(settings)
    try:
        stack.start(lambda event: None)
        api = f"http://127.0.0.1:{settings.api_port}"
        yield Running(stack, settings, Doors(api), api, f"http://127.0.0.1:{settings.gateway_port}")
    finally:
        stack.stop()
