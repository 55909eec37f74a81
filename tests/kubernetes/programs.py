"""The command lines of the control plane's programs, and the life of one such process.

`cluster.py` decides what runs and when. Only what a test needs is switched on; everything listens on the loopback.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes.credentials import Authority, KeyPair

LOOPBACK = "127.0.0.1"
STAGES = Path(__file__).with_name("stages")
SERVICE_RANGE = "10.96.0.0/16"
POD_RANGE = "10.64.0.1/14"  # 262 thousand addresses for the pods of fake nodes
FAKE = "kwok.x-k8s.io/node"  # the annotation of nodes that kwok plays
LINES_OF_A_CRASH = 15


class Crashed(AssertionError):
    """A program of the control plane ended by itself; the message has the end of its log."""


class Process:
    """A program in the background, its output in a file; it dies with the tests that started it."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._log = log
        self.name = Path(command[0]).name
        setpriv = shutil.which("setpriv")
        bound = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        with log.open("ab") as output:
            self._child = subprocess.Popen([*bound, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    @property
    def pid(self) -> int:
        """The process id, as long as it runs and after."""
        return self._child.pid

    def check(self) -> None:
        """Raise Crashed if it ended."""
        if (status := self._child.poll()) is not None:
            end = "\n".join(self._log.read_text(errors="replace").splitlines()[-LINES_OF_A_CRASH:])
            raise Crashed(f"{self.name} ended with status {status}, {self._log}:\n{end}")

    def is_frozen(self) -> bool:
        """Whether all its threads are stopped by a signal."""
        states = [
            task.read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{self.pid}/task").glob("*/stat")
        ]
        return set(states) == {"T"}

    def kill(self) -> None:
        """End it without a chance to say goodbye, and wait for that."""
        self._child.kill()
        self._child.wait()

    def stop(self, seconds: float = 10.0) -> None:
        """Ask it to end, and insist after `seconds`."""
        self._child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(seconds)
            return
        self.kill()


@dataclass(frozen=True)
class Files:
    """What the programs share: their folder, where the API server listens, the authority, the key that signs tokens."""

    assets: Path
    directory: Path
    address: str
    authority: Authority
    server: KeyPair
    token_key: Path
    kubeconfig: Path


def etcd(files: Files, port: int, peer_port: int) -> list[str]:
    """Return the command of an etcd that forgets a power cut, for speed: it does not wait for the disk."""
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    return [
        f"{files.assets}/etcd",
        "--name=test",
        f"--data-dir={files.directory}/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=test={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(files: Files, port: int, etcd_port: int, more: tuple[str, ...]) -> list[str]:
    """Return the command of the API server; flags in `more` win over ours."""
    return [
        f"{files.assets}/kube-apiserver",
        f"--bind-address={files.address}",
        f"--advertise-address={files.address}",
        f"--secure-port={port}",
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--client-ca-file={files.authority.pair.certificate}",
        f"--tls-cert-file={files.server.certificate}",
        f"--tls-private-key-file={files.server.key}",
        f"--kubelet-client-certificate={files.directory}/certificates/admin.crt",
        f"--kubelet-client-key={files.directory}/certificates/admin.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={files.token_key}",
        f"--service-account-signing-key-file={files.token_key}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        # Where pods run, the Service `kubernetes` leads to us; a loopback address cannot be an endpoint.
        f"--endpoint-reconciler-type={'none' if files.address == LOOPBACK else 'lease'}",
        "--shutdown-delay-duration=0s",
        "--profiling=false",
        *more,
    ]


def controller_manager(files: Files, port: int) -> list[str]:
    """Return the command of the controllers: alone, so without an election; batching only makes tests wait."""
    return [
        f"{files.assets}/kube-controller-manager",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--kubeconfig={files.kubeconfig}",
        f"--authentication-kubeconfig={files.kubeconfig}",
        f"--authorization-kubeconfig={files.kubeconfig}",
        f"--service-account-private-key-file={files.token_key}",
        f"--root-ca-file={files.authority.pair.certificate}",
        f"--cluster-signing-cert-file={files.authority.pair.certificate}",
        f"--cluster-signing-key-file={files.authority.pair.key}",
        "--leader-elect=false",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--concurrent-gc-syncs=5",
        "--namespace-sync-period=30s",
        "--horizontal-pod-autoscaler-sync-period=2s",
        "--profiling=false",
    ]


def scheduler(files: Files, port: int) -> list[str]:
    """Return the command of the scheduler."""
    return [
        f"{files.assets}/kube-scheduler",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--kubeconfig={files.kubeconfig}",
        f"--authentication-kubeconfig={files.kubeconfig}",
        f"--authorization-kubeconfig={files.kubeconfig}",
        "--leader-elect=false",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--profiling=false",
    ]


def kwok(files: Files, port: int) -> list[str]:
    """Return the command of the fake kubelets; they answer `logs` and `exec` on the port, see `pods.yaml`."""
    stages = [f"--config={stage}" for stage in sorted(STAGES.glob("*.yaml"))]
    return [
        f"{files.assets}/kwok",
        f"--kubeconfig={files.kubeconfig}",
        f"--manage-nodes-with-annotation-selector={FAKE}=fake",
        "--node-lease-duration-seconds=40",
        "--node-ip=127.0.0.1",
        f"--node-port={port}",
        f"--server-address=127.0.0.1:{port}",
        f"--tls-cert-file={files.server.certificate}",
        f"--tls-private-key-file={files.server.key}",
        f"--cidr={POD_RANGE}",
        f"--config={files.directory}/pods.yaml",
        *stages,
    ]
