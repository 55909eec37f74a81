"""The containers that injection adds: the sidecar, and the init container that captures. Pure; neighbour: pod.

The sidecar is a native one (an init container that goes on, Kubernetes >= 1.29): what follows it starts once its
startup probe passes, so that no application makes a call before its proxy works; and Jobs end without it.
"""

from __future__ import annotations

from typing import Any

from mesh.injection.options import Mode, Options
from mesh.model import pods
from mesh.model.pods import PodIdentity
from mesh.sidecar import HEALTH_PATH, POD_VARIABLES, Door, pod_arguments, pod_bootstrap

CAPTURE_CONTAINER = "colorlane-capture"
OWN_CONTAINERS = (CAPTURE_CONTAINER, pods.SIDECAR_CONTAINER)
IDENTITY_VOLUME = "colorlane-identity"
NOTHING_VOLUME = "colorlane-nothing"
OWN_VOLUMES = (IDENTITY_VOLUME, NOTHING_VOLUME)
IDENTITY_PATH = "/var/run/secrets/colorlane"
API_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  a path
AUDIENCE = "colorlane-mesh"
TOKEN_SECONDS = 3600
STARTUP_SECONDS = 120

_HARDENED = {
    "allowPrivilegeEscalation": False,
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
# An empty folder where the API server would else mount the application's token: neither container speaks to it.
_NO_API_TOKEN = {"name": NOTHING_VOLUME, "mountPath": API_TOKEN_PATH, "readOnly": True}


def proxy_container(identity: PodIdentity, options: Options) -> dict[str, Any]:
    """Return the sidecar: fits the restricted pod security standard, writes nowhere."""
    door = Door(options.ca_pem, f"{IDENTITY_PATH}/token", options.mesh_address)
    bootstrap = pod_bootstrap(
        identity,
        door,
        captured=options.mode is Mode.TRANSPARENT,
        dns=options.capture_dns,
        xds_address=options.mesh_address,
        xds_port=options.mesh_port,
    )
    probe = {"httpGet": {"path": HEALTH_PATH, "port": pods.HEALTH_PORT}, "timeoutSeconds": 1}
    return {
        "name": pods.SIDECAR_CONTAINER,
        "image": options.image,
        **_pull_policy(options),
        "restartPolicy": "Always",
        "command": ["python", "-P", "-m", "mesh.sidecar"],
        "workingDir": "/",  # the image's own folder is its own user's
        "args": pod_arguments(bootstrap, concurrency=options.concurrency),
        "env": [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in POD_VARIABLES.items()],
        "resources": _resources(options),
        "securityContext": {
            **_HARDENED,
            "runAsUser": pods.PROXY_UID,
            "runAsGroup": pods.PROXY_UID,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "startupProbe": {**probe, "periodSeconds": 1, "failureThreshold": STARTUP_SECONDS},
        "readinessProbe": {**probe, "periodSeconds": 5, "failureThreshold": 3},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": IDENTITY_VOLUME, "mountPath": IDENTITY_PATH, "readOnly": True}, _NO_API_TOKEN],
    }


def capture_container(options: Options) -> dict[str, Any]:
    """Return the init container that sets the rules: root, with the one capability for that, and it ends at once."""
    lists = {
        "--exclude-inbound-ports": options.exclude_inbound,
        "--exclude-outbound-ports": options.exclude_outbound,
        "--exclude-outbound-cidrs": options.exclude_cidrs,
    }
    return {
        "name": CAPTURE_CONTAINER,
        "image": options.image,
        **_pull_policy(options),
        "command": ["python", "-P", "-m", "mesh.capture"],
        "workingDir": "/",
        "args": [
            *("apply", "--proxy-uid", str(pods.PROXY_UID)),
            *(["--dns"] if options.capture_dns else []),
            *(argument for pair in lists.items() if pair[1] for argument in pair),
        ],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": _limits(options, "128Mi")},
        "securityContext": {
            **_HARDENED,
            "runAsUser": 0,
            "runAsGroup": 0,
            "runAsNonRoot": False,
            "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [_NO_API_TOKEN],
    }


def volumes() -> list[dict[str, Any]]:
    """Return the volumes of both: the token for the mesh, which the kubelet replaces, and nothing.

    Nothing has no size limit: nobody can write to it, and an empty folder takes 4 KiB of some disks, for which the
    kubelet would evict the pod.
    """
    token = {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token"}
    return [
        {"name": IDENTITY_VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}},
        {"name": NOTHING_VOLUME, "emptyDir": {}},
    ]


def _resources(options: Options) -> dict[str, Any]:
    return {
        "requests": {"cpu": options.cpu, "memory": options.memory},
        "limits": _limits(options, options.memory_limit),
    }


def _limits(options: Options, memory: str) -> dict[str, str]:
    """No limit of CPU unless asked for: a throttled proxy is latency for everyone who calls."""
    return {**({"cpu": options.cpu_limit} if options.cpu_limit else {}), "memory": memory}


def _pull_policy(options: Options) -> dict[str, str]:
    return {"imagePullPolicy": options.pull_policy} if options.pull_policy else {}
