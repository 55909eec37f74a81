"""What the programs of a real node are told: its addresses, the network of its pods, kubelet, containerd, DNS.

`node.py` starts them with this.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.kubernetes.cluster import Cluster

NAME = "real-0"
MACHINE, NODE, POD_SUBNET = "10.87.0.1", "10.87.0.2", "10.88.0.0/24"
PLUGINS = ("/usr/lib/cni", "/opt/cni/bin")  # where distributions put them
PAUSE = "colorlane.test/pause:1"
DOMAIN = "cluster.local"


def network(directory: Path) -> dict[str, Any]:
    """Return the CNI configuration: a bridge, addresses from POD_SUBNET, no translation of pod addresses."""
    route, ranges = {"dst": "0.0.0.0/0"}, [[{"subnet": POD_SUBNET}]]
    addresses = {"type": "host-local", "ranges": ranges, "routes": [route], "dataDir": str(directory / "addresses")}
    bridge = {"type": "bridge", "bridge": "pods", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]}


def containerd(directory: Path, socket: Path) -> str:
    """Return containerd's configuration: all state in the folder, our pause image, and no privilege that a
    virtual machine may lack (to protect a process from running out of memory).
    """
    plugins = next(folder for folder in PLUGINS if Path(folder, "bridge").exists())
    return f"""
version = 2
root = "{directory}/containerd"
state = "/run/containerd"
[grpc]
address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{registries(directory)}"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{directory}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""


def registries(directory: Path) -> Path:
    """Return the folder where containerd looks for how to speak to a registry, `<host:port>/hosts.toml`."""
    return directory / "registries"


def kubelet(cluster: Cluster, directory: Path, socket: Path) -> dict[str, Any]:
    """Return kubelet's configuration: quick to notice, silent about the machine's swap, disk, control groups."""
    server = cluster.files.authority.server(NAME, NODE)
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE,
        "authentication": {"x509": {"clientCAFile": str(cluster.files.authority.pair.certificate)}},
        "tlsCertFile": str(server.certificate),
        "tlsPrivateKeyFile": str(server.key),
        "containerRuntimeEndpoint": f"unix://{socket}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "podLogsDir": str(directory / "pod-logs"),
        "volumePluginDir": str(directory / "volume-plugins"),
        "resolvConf": "",
        "clusterDNS": [NODE],
        "clusterDomain": DOMAIN,
        "healthzPort": 0,
        "syncFrequency": "5s",
        "nodeStatusUpdateFrequency": "2s",
    }


def dns(kubeconfig: Path) -> str:
    """Return the Corefile: names of Services, and nothing of the world outside."""
    return f"""
.:53 {{
    bind {NODE}
    errors
    kubernetes {DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
    }}
}}
"""
