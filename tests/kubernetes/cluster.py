"""A real Kubernetes control plane for tests: etcd, API server, controllers and scheduler, with fake nodes by kwok.

`conftest.py` starts one for a test run. By hand, until Ctrl-C: `python -m tests.kubernetes.cluster up --dir <folder>`;
it prints the path of the kubeconfig. `assets.py` finds the programs, `programs.py` knows their flags, `stages/` says
what the fake nodes do with a pod, `connection.py` is what a test uses.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from tests.fakes.background import free_port
from tests.kubernetes import assets, programs
from tests.kubernetes.connection import Connection
from tests.kubernetes.credentials import Authority, certificate_user, write_kubeconfig
from tests.kubernetes.programs import Files, Process

READY_WITHIN = 60.0  # seconds; it takes about five on an idle machine
POLITE = 2.0  # seconds for the API server's goodbye; it would wait a minute for the watches to end
ZONES = ("zone-a", "zone-b", "zone-c")
POD_LOG = [("stdout", "listening on port 9080"), ("stderr", "cache is cold"), ("stdout", "GET / 200")]


class Cluster(Connection):
    """Starts with the constructor; `stop()`, or the end of its `with`, ends all. `directory` keeps state and logs.

    `nodes`: how many fake nodes. `controllers=False` leaves etcd and API server alone: half the start, and nobody acts
    on the objects. `apiserver_flags` win over ours, e.g. `--max-requests-inflight=3` to be told 429. Not from a thread
    that ends: the programs end with the thread that started them. `address` is where the API server listens; pods of
    a real node (`node.py`) do not reach the loopback.
    """

    def __init__(
        self,
        directory: Path,
        programs_in: Path,
        nodes: int = 3,
        controllers: bool = True,
        apiserver_flags: tuple[str, ...] = (),
        address: str = programs.LOOPBACK,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._flags = apiserver_flags
        self._port, self._etcd_port, self.kubelet_port = free_port(), free_port(), free_port()
        self._files = prepare(directory, programs_in, address, self._port)
        super().__init__(self._files.kubeconfig, directory)
        self._processes: dict[str, Process] = {}
        self._commands: dict[str, list[str]] = {}
        try:
            self._start("etcd", programs.etcd(self._files, self._etcd_port, free_port()))
            self.start_apiserver()
            if controllers:
                self._start_controllers(nodes)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End every process, the API server after those that talk to it."""
        for process in reversed(self._processes.values()):
            process.kill()
        self._processes.clear()

    @property
    def files(self) -> Files:
        """The authority and the programs, for those who add to the cluster."""
        return self._files

    def kill_apiserver(self) -> None:
        """Kill the API server at once: connections break, watches end without a word. etcd keeps what it had."""
        self._processes.pop("kube-apiserver").kill()

    def start_apiserver(self, *more_flags: str) -> None:
        """Start the API server at its address, with flags for this time; return when it is ready."""
        command = programs.apiserver(self._files, self._port, self._etcd_port, (*self._flags, *more_flags))
        self._start("kube-apiserver", command)
        self._wait_until("the API server is ready", self._ready)
        for name in [name for name in self._commands if name not in {"etcd", "kube-apiserver"}]:
            self._processes[name].kill()  # else they go on by themselves, but only after up to half a minute
            self._start(name, self._commands[name])

    def restart_apiserver(self, *more_flags: str) -> None:
        """End the API server in order, as an upgrade does, and start it again at the same address.

        Its watch cache begins anew, so a watch that resumes from an older resourceVersion is answered 410 Gone.
        """
        self._processes.pop("kube-apiserver").stop(POLITE)
        self.start_apiserver(*more_flags)

    def pause(self, program: str) -> None:
        """Freeze a program (`etcd`, `kube-apiserver`, ...): connections stay, answers do not come."""
        process = self._processes[program]
        os.kill(process.pid, signal.SIGSTOP)
        self._wait_until(f"every thread of {program} has stopped", process.is_frozen)

    def resume(self, program: str) -> None:
        """Let a frozen program go on."""
        os.kill(self._processes[program].pid, signal.SIGCONT)

    def compact(self) -> int:
        """Make etcd forget all history up to now; return the revision.

        A list that goes on by an older `continue` token is then 410 Expired. A watch is served from the memory of the
        API server: to have it 410 Gone, restart that too.
        """
        with httpx.Client(base_url=f"http://127.0.0.1:{self._etcd_port}", timeout=30, trust_env=False) as etcd:
            key = base64.b64encode(b"/").decode()
            header = etcd.post("/v3/kv/range", json={"key": key}).raise_for_status().json()["header"]
            etcd.post("/v3/kv/compaction", json={"revision": header["revision"], "physical": True}).raise_for_status()
        return int(header["revision"])

    def check(self) -> None:
        """Raise Crashed if any program ended by itself."""
        for process in self._processes.values():
            process.check()

    def _start(self, name: str, command: list[str]) -> None:
        self._commands[name] = command
        self._processes[name] = Process(command, self.directory / f"{name}.log")

    def _start_controllers(self, nodes: int) -> None:
        self._start("kube-controller-manager", programs.controller_manager(self._files, free_port()))
        self._start("kube-scheduler", programs.scheduler(self._files, free_port()))
        if nodes:
            self.apply(*[fake_node(number) for number in range(nodes)])
            self._start("kwok", programs.kwok(self._files, self.kubelet_port))
        self._wait_until("every node is ready", lambda: self._ready_nodes() >= nodes)

    def _wait_until(self, what: str, look: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            self.check()
            if look():
                return
            time.sleep(0.1)
        raise AssertionError(f"waited {READY_WITHIN:.0f} s until {what}; the logs are in {self.directory}")

    def _ready(self) -> bool:
        with contextlib.suppress(httpx.TransportError), self.http() as client:
            return client.get("/readyz").status_code == httpx.codes.OK
        return False

    def _ready_nodes(self) -> int:
        conditions = [node["status"].get("conditions", []) for node in self.get("nodes")["items"]]
        return sum(any(one["type"] == "Ready" and one["status"] == "True" for one in node) for node in conditions)


def prepare(directory: Path, programs_in: Path, address: str, port: int) -> Files:
    """Write certificates, the admin's kubeconfig and what the fake kubelets answer."""
    authority = Authority(directory / "certificates")
    admin = authority.user("admin", ["system:masters"])
    url = f"https://{address}:{port}"
    kubeconfig = write_kubeconfig(
        directory / "admin.kubeconfig", url, authority.pair.certificate, certificate_user(admin)
    )
    log = directory / "pod.log"
    lines = [
        f"2026-01-01T00:00:0{second}.000000000Z {stream} F {line}\n" for second, (stream, line) in enumerate(POD_LOG)
    ]
    log.write_text("".join(lines))  # as a container runtime writes it
    (directory / "pods.yaml").write_text("\n---\n".join(json.dumps(one) for one in pod_answers(log)))
    server, token_key = authority.server("kube-apiserver", address), authority.token_key("service-accounts")
    return Files(programs_in, directory, address, authority, server, token_key, kubeconfig)


def pod_answers(log: Path) -> list[dict[str, Any]]:
    """Return what `logs` shows (one file for all pods) and where `exec` runs (this machine, as the tests' user)."""
    kind = {"apiVersion": "kwok.x-k8s.io/v1alpha1", "metadata": {"name": "all"}}
    logs = {"logsFile": str(log), "previousLogsFile": str(log), "follow": True}
    return [
        {**kind, "kind": "ClusterLogs", "spec": {"logs": [logs]}},
        {**kind, "kind": "ClusterExec", "spec": {"execs": [{"local": {"workDir": str(log.parent)}}]}},
    ]


def fake_node(number: int) -> dict[str, Any]:
    """Return a Node that kwok plays, in one of three zones of one region; room for thousands of pods."""
    name = f"fake-{number}"
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/region": "region-1",
        "topology.kubernetes.io/zone": ZONES[number % len(ZONES)],
    }
    annotations = {programs.FAKE: "fake", "node.alpha.kubernetes.io/ttl": "0"}
    metadata = {"name": name, "labels": labels, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata}


def options(module: str, about: Callable[[], None]) -> argparse.Namespace:
    """Return the options of a cluster started by hand: `directory`, which is there, and `nodes`."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about.__doc__)
    parser.add_argument("command", choices=["up"])
    parser.add_argument("--dir", dest="directory", type=Path, help="state and logs (default: a new temporary folder)")
    parser.add_argument("--nodes", type=int, default=3, help="how many fake nodes (default 3)")
    given = parser.parse_args()
    given.directory = Path(given.directory or tempfile.mkdtemp(prefix="colorlane-kubernetes-")).absolute()
    given.directory.mkdir(parents=True, exist_ok=True)
    return given


def hold(cluster: Cluster) -> None:
    """Print how to reach the cluster, and return at Ctrl-C or SIGTERM."""
    ended = threading.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: ended.set())
    print(f"{cluster.url} is ready; logs in {cluster.directory}")
    print(f"export KUBECONFIG={cluster.kubeconfig}", flush=True)
    ended.wait()


def main() -> None:
    """Start a cluster by hand and keep it until Ctrl-C or SIGTERM."""
    given = options("tests.kubernetes.cluster", main)
    with Cluster(given.directory, assets.find(), given.nodes) as cluster:
        hold(cluster)


if __name__ == "__main__":
    main()
