"""Platform `local`: workloads as processes of this machine, each replica with a sidecar Envoy.

Two halves that share only files: `adapter` (the port's real side, in any process) writes what is desired and reads
how it is; `agent` (a process of its own) makes it so. The manifests are those that Kubernetes would get.

    folders, documents                       where the files are, what stands in them
    manifests, probes, environment,
    expansion, podspec -> plan               pure: manifests to a plan, a plan and ports to a process
    adapter                                  the door
    records, probing, sidecar, replica,
    workload, registration, statuses -> agent
"""

from delivery.adapters.platform_local.adapter import LocalPlatform

__all__ = ["LocalPlatform"]
