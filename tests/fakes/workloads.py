"""Workloads for tests of platforms: manifests as kustomize renders them, and artifact trees with small servers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from delivery.workloads import WorkloadKey, WorkloadSpec

SERVER = """
import http.server, json, os, signal, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/slow"):
            time.sleep(float(self.path.partition("=")[2]))
        if self.path == "/crash":
            print("told to crash", flush=True)
            os._exit(7)
        body = json.dumps({"pid": os.getpid(), "env": dict(os.environ), "argv": sys.argv[1:]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print("listening", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def artifact(state_dir: Path, files: Mapping[str, str]) -> str:
    """Write an artifact tree and return its digest."""
    value = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
    tree = state_dir / "artifacts" / "sha256" / value
    tree.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (tree / name).write_text(text)
    return f"sha256:{value}"


def manifests(
    service: str = "reviews",
    *,
    command: Sequence[str] = ("python3", "app.py"),
    replicas: int = 1,
    container: Mapping[str, Any] | None = None,
    pod: Mapping[str, Any] | None = None,
    readiness: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return a Deployment and its Service; `container` and `pod` add or replace fields."""
    labels = {"app": service}
    probe = readiness or {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1}
    one = {
        "name": service,
        "image": service,
        "command": list(command),
        "ports": [{"name": "http", "containerPort": 9080}],
        "readinessProbe": dict(probe),
        **(container or {}),
    }
    spec = {"containers": [one], "terminationGracePeriodSeconds": 5, **(pod or {})}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": service, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
    port = {"name": "http", "port": 9080, "targetPort": "http"}
    service_object = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": service},
        "spec": {"selector": labels, "ports": [port]},
    }
    return [deployment, service_object]


def workload(
    state_dir: Path,
    *,
    generation: int = 1,
    version: str = "v1",
    color: str = "alice",
    service: str = "reviews",
    code: str = SERVER,
    **more: Any,
) -> WorkloadSpec:
    """Return a workload of one small server; `more` goes to `manifests`."""
    key = WorkloadKey("bookshop", service, color, version)
    digest = artifact(state_dir, {"app.py": code})
    return WorkloadSpec(key, generation, digest, manifests(service, **more))
