"""Which pods are injected, and which are left alone, with the reason in words. Pure.

Who asks at all is decided by the webhook's selectors (mesh.webhook.registration); these are the reasons against.
"""

from __future__ import annotations

from dataclasses import dataclass

from mesh.injection.options import Json, Options
from mesh.model.pods import GROUP, INJECT

REVISION = f"{GROUP}/revision"  # label of pods and namespaces: which of several control planes injects
PART_OF = "app.kubernetes.io/part-of"
CLUSTER_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})
MIRROR = "kubernetes.io/config.mirror"


@dataclass(frozen=True)
class Verdict:
    """`reason` is empty where the pod is injected. `asked`: the pod itself says that it must have a sidecar."""

    reason: str = ""
    asked: bool = False

    @property
    def inject(self) -> bool:
        """Whether the pod is injected."""
        return not self.reason


INJECTED = Verdict()


def judge(pod: Json, namespace: str, options: Options) -> Verdict:
    """Say whether a pod (or a pod template) of this namespace is injected."""
    metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    asked = labels.get(INJECT) == "true"
    revision = labels.get(REVISION, options.revision)
    against = (
        ("false" in (labels.get(INJECT), annotations.get(INJECT)), f"it says {INJECT}: false"),
        (namespace in CLUSTER_NAMESPACES, f"namespace {namespace} is the cluster's own"),
        (
            namespace == options.own_namespace or labels.get(PART_OF) == "colorlane",
            "Colorlane's own pods need no sidecar",
        ),
        (bool(spec.get("hostNetwork")), "hostNetwork: it shares the node's network, where a sidecar cannot be its own"),
        ((spec.get("os") or {}).get("name") == "windows", "its system is Windows"),
        (MIRROR in annotations, "a static pod belongs to its node"),
        (revision != options.revision, f"it belongs to revision {revision!r}, this is {options.revision!r}"),
    )
    return Verdict(next((reason for holds, reason in against if holds), ""), asked)
