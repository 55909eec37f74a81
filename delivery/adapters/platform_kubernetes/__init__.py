"""Platform `kubernetes`: each workload is a Deployment of its own, made from the team's manifests.

    layout, names                        where things go and what they are called
    references, objects, previews        pure: a workload's manifests to the objects of a cluster
    connection, api, refusals            the door to the API server, and what its refusals mean
    fence, applying, shared, floors,
    removing, drift                      what is done to a cluster, and in which order
    watching, readings                   what a process knows of the cluster
    reasons, reading                     pure: what was read to health and words for people
    adapter                              the port

No process of ours has to run for workloads to go on: the cluster's own controllers do the work.
"""

from delivery.adapters.platform_kubernetes.adapter import KubernetesPlatform
from delivery.adapters.platform_kubernetes.layout import Layout

__all__ = ["KubernetesPlatform", "Layout"]
