"""Injection: what makes a pod one of the mesh: its sidecar, its capture, and what its application needs. Pure.

    verdict = judge(pod, namespace, options)        # is it ours to inject, and if not, why
    injected = inject(pod, options)                 # the pod with its sidecar; the same again if it has one
    text, findings = inject_text(yaml, options)     # all pods of a file of manifests; all else stays as it is
    operations = difference(pod, injected)          # RFC 6902, for an admission webhook

`inject` is deterministic, idempotent, and refuses (`Rejected`) what cannot work, naming field and remedy. The webhook
(mesh.webhook) and `colorlane mesh inject` call the same functions.
"""

from mesh.injection.decision import INJECTED, Verdict, judge
from mesh.injection.documents import Finding, inject_object, inject_text
from mesh.injection.options import Mode, Options
from mesh.injection.patch import difference
from mesh.injection.pod import inject

__all__ = [
    "INJECTED",
    "Finding",
    "Mode",
    "Options",
    "Verdict",
    "difference",
    "inject",
    "inject_object",
    "inject_text",
    "judge",
]
