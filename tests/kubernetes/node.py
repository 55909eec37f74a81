"""A real node for a test cluster: kubelet, containerd, kube-proxy and DNS, in namespaces of their own on this machine.

Everything the node does to mounts, network and processes stays inside: a pair of interfaces is all the machine sees,
and when the namespace's first process ends, so do all pods. Only its control groups are the machine's. Needs root,
`containerd`, `runc` and the CNI plugins of the distribution, and `build_assets --node`. `conftest.py` has the fixture,
`node_config.py` what the programs are told. By hand: `python -m tests.kubernetes.node up --dir <folder>`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import TracebackType

from tests.fakes.background import wait_for
from tests.kubernetes import assets, images, node_config
from tests.kubernetes.cluster import Cluster, hold, options
from tests.kubernetes.credentials import certificate_user, write_kubeconfig
from tests.kubernetes.node_config import MACHINE, NAME, NODE, PAUSE, PLUGINS, POD_SUBNET
from tests.kubernetes.programs import SERVICE_RANGE, Process

CONTROL_GROUPS = Path("/sys/fs/cgroup")
PROGRAMS = ("kubelet", "kube-proxy", "coredns", "pod")  # of `build_assets --node`
TOOLS = ("containerd", "containerd-shim-runc-v2", "ctr", "runc", "ip", "unshare", "nsenter", "mount", "iptables")
LINK = "colorlane-node"  # the machine's end of the pair; also says that a node is there
WEB = "colorlane.test/web:1"  # `pod serve :8080`, see pod/main.go


class CannotRun(Exception):
    """A real node is impossible here; the message is one line that says what is missing."""


def missing(programs_in: Path) -> list[str]:
    """Return what this machine lacks for a real node, as words for a person."""
    if os.geteuid() != 0:
        return ["root"]
    if pod_groups():
        return ["a machine to itself: another kubelet has pods in its control groups"]
    lacks = [tool for tool in TOOLS if shutil.which(tool) is None]
    lacks += [f"{name} (build_assets --node)" for name in PROGRAMS if not (programs_in / name).exists()]
    return lacks + ([] if any(Path(folder, "bridge").exists() for folder in PLUGINS) else ["CNI plugins"])


class Link:
    """The node's namespaces and the pair of interfaces to them; the machine's end has the address MACHINE.

    It is there before the API server, which listens on that address.
    """

    def __init__(self, directory: Path) -> None:
        script = (
            "mount --make-rprivate / && mount --make-rshared / && mount -t tmpfs tmpfs /run && mkdir /run/netns && "
            "ip link set lo up && exec sleep infinity"
        )
        namespaces = ["--mount", "--pid", "--net", "--uts", "--fork", "--kill-child", "--mount-proc"]
        self._holder = Process(["unshare", *namespaces, "sh", "-c", script], directory / "node.log")
        try:
            self.pid = wait_for("the node's first process", self._first_process)
            self._connect()
        except BaseException:
            self.stop()
            raise

    def command(self, *command: str) -> list[str]:
        """Return the command as it runs inside."""
        inside = [f"--target={self.pid}", "--mount", "--pid", "--net", "--uts"]
        return ["nsenter", *inside, "--", *command]

    def run(self, *command: str) -> str:
        """Run a command inside to its end; return what it printed."""
        return run(*self.command(*command))

    def stop(self) -> None:
        """End all that runs inside, and remove the interfaces, which else stay until the last process is gone."""
        self._holder.kill()
        subprocess.run(["ip", "link", "delete", LINK], capture_output=True)

    def _first_process(self) -> int | None:
        self._holder.check()
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text().split()
        return next((int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text() == "sleep\n"), None)

    def _connect(self) -> None:
        run("ip", "link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        run("ip", "address", "add", f"{MACHINE}/30", "dev", LINK)
        run("ip", "link", "set", LINK, "up")
        self.run("ip", "address", "add", f"{NODE}/30", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "route", "add", "default", "via", MACHINE)
        self.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        for subnet in (
            POD_SUBNET,
            SERVICE_RANGE,
        ):  # the latter for the API server, which calls webhooks by their Service
            run("ip", "route", "add", subnet, "via", NODE, "dev", LINK)


class RealNode:
    """The node in the link's namespaces, registered with the cluster; Ready when the constructor returns."""

    def __init__(self, link: Link, cluster: Cluster, directory: Path) -> None:
        self._link, self.cluster, self._directory = link, cluster, directory
        self._socket = directory / "containerd.sock"
        self._processes: list[Process] = []
        try:
            self._start_containerd()
            for reference, arguments in [(PAUSE, ["pause"]), (WEB, ["serve", ":8080"])]:
                name = reference.partition("/")[2].partition(":")[0]
                program = cluster.files.assets / "pod"
                self.load(images.archive(directory / f"{name}.tar", reference, program, arguments))
            self._start_kubelet()
            self._start_proxy()
            self._start_dns()
            wait_for("the node is ready", self._is_ready)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> RealNode:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def load(self, archive: Path) -> None:
        """Import a `docker save` or OCI archive; pods use it with `imagePullPolicy: Never` or `IfNotPresent`."""
        run(*self.load_command(str(archive)))

    def load_command(self, archive: str) -> list[str]:
        """Return the command that `load` runs."""
        return self._link.command(
            *("ctr", f"--address={self._socket}", "--namespace=k8s.io", "images", "import", archive)
        )

    def trust(self, registry: str) -> None:
        """Let containerd pull from a registry without TLS, `host:port`; containerd looks at each pull."""
        folder = node_config.registries(self._directory) / registry
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts.toml").write_text(f'server = "http://{registry}"\n[host."http://{registry}"]\n')

    def stop(self) -> None:
        """End node and pods, and remove the control groups."""
        self._link.stop()
        for process in self._processes:
            process.kill()
        remove_control_groups()

    def _start(self, name: str, *command: str) -> None:
        self._processes.append(Process(self._link.command(*command), self._directory / f"{name}.log"))

    def _start_containerd(self) -> None:
        (self._directory / "cni").mkdir()
        (self._directory / "cni" / "10-bridge.conflist").write_text(json.dumps(node_config.network(self._directory)))
        config = self._directory / "containerd.toml"
        config.write_text(node_config.containerd(self._directory, self._socket))
        self._start("containerd", "containerd", f"--config={config}")
        wait_for("containerd's socket", self._socket.exists)

    def _start_kubelet(self) -> None:
        files = self.cluster.files
        user = files.authority.user(f"system:node:{NAME}", ["system:nodes"])
        trust = files.authority.pair.certificate
        kubeconfig = write_kubeconfig(
            self._directory / "kubelet.kubeconfig", self.cluster.url, trust, certificate_user(user)
        )
        config = self._directory / "kubelet.json"
        config.write_text(json.dumps(node_config.kubelet(self.cluster, self._directory, self._socket)))
        self._start(
            "kubelet",
            str(files.assets / "kubelet"),
            f"--config={config}",
            f"--kubeconfig={kubeconfig}",
            f"--root-dir={self._directory}/kubelet",
            f"--hostname-override={NAME}",
            f"--node-ip={NODE}",
        )

    def _start_proxy(self) -> None:
        proxy = str(self.cluster.files.assets / "kube-proxy")
        kubeconfig = f"--kubeconfig={self.cluster.kubeconfig}"
        more = ["--proxy-mode=iptables", f"--cluster-cidr={POD_SUBNET}", f"--hostname-override={NAME}"]
        addresses = ["--healthz-bind-address=", "--metrics-bind-address=127.0.0.1"]
        self._start("kube-proxy", proxy, kubeconfig, *more, *addresses, "--conntrack-max-per-core=0")

    def _start_dns(self) -> None:
        config = self._directory / "Corefile"
        config.write_text(node_config.dns(self.cluster.kubeconfig))
        self._start("coredns", str(self.cluster.files.assets / "coredns"), f"-conf={config}")

    def _is_ready(self) -> bool:
        for process in self._processes:
            process.check()
        nodes = [node for node in self.cluster.get("nodes")["items"] if node["metadata"]["name"] == NAME]
        conditions = [one for node in nodes for one in node["status"].get("conditions", [])]
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def pod_groups() -> list[Path]:
    """Return the control groups that a kubelet on this machine made for pods; one in each hierarchy of version 1."""
    return [*CONTROL_GROUPS.glob("kubepods"), *CONTROL_GROUPS.glob("*/kubepods")]


def remove_control_groups() -> None:
    """Remove what kubelet made for pods; processes of a node that just ended may still be on their way out."""
    for group in pod_groups():
        for inner in sorted([group, *group.glob("**/")], key=lambda path: -len(path.parts)):
            wait_for(f"{inner} is empty", partial(_remove, inner))


def _remove(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def run(*command: str) -> str:
    """Run a command; return what it printed. Raises AssertionError with what it said."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def start(directory: Path, programs_in: Path) -> Iterator[RealNode]:
    """Start a cluster of one real node. Raises CannotRun with what this machine lacks."""
    if lacks := missing(programs_in):
        raise CannotRun(f"no real node without {', '.join(lacks)}")
    with contextlib.ExitStack() as started:
        link = Link(directory)
        started.callback(link.stop)
        cluster = started.enter_context(Cluster(directory / "cluster", programs_in, nodes=0, address=MACHINE))
        yield started.enter_context(RealNode(link, cluster, directory))


def main() -> None:
    """Start a cluster of one real node by hand and keep it until Ctrl-C or SIGTERM."""
    with start(
        options("tests.kubernetes.node", main).directory, assets.find((*assets.CONTROL_PLANE, *PROGRAMS))
    ) as node:
        hold(node.cluster)


if __name__ == "__main__":
    main()
