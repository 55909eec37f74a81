"""Sidecars: what a proxy is started with, and how its life is watched. Used by whoever runs Envoy processes.

The contract, for the local platform and the supervisor:

1. Write `sidecar_bootstrap(...)` or `gateway_bootstrap(...)` (pure, JSON text, no secret in it) to a file.
2. Start `envoy_argv(path)`. Nothing is read from the environment. The process stays in the foreground; SIGTERM ends it
   at once, without draining.
3. `ready(admin_port, ports=...)` is True when Envoy serves its first complete configuration *and* listens on `ports`
   (for a sidecar: its outbound port and the inbound ports; for the gateway: its port). Envoy waits for ever for the
   mesh, so a proxy without configuration is never ready. Only then register its endpoint as `ready` with the mesh.
4. To stop without a failed request: ask the mesh to withdraw the endpoint, wait until it says so, `drain(admin_port)`,
   wait until `in_flight(admin_port)` is 0 or the grace is over, stop the application, then SIGTERM the proxy, at best
   `FLUSH_SECONDS` after the last request: what it counted since its last export (one a second) is lost with it.
5. After a crash start it again with the same file. Node ids are unique; telemetry tells the two lives apart by itself.

On Kubernetes nothing is written: `pod_bootstrap(...)` is an argument of the injected container (mesh.injection), whose
command `python -m mesh.sidecar` becomes Envoy. `Door` is how such a proxy shows who it is, gateways included.

`ready`, `drain` and `in_flight` never raise for a proxy that does not answer: they return False, False and None.
"""

from mesh.sidecar.bootstrap import Port, gateway_bootstrap, sidecar_bootstrap
from mesh.sidecar.door import Door
from mesh.sidecar.pod import HEALTH_PATH, POD_NAMESPACE, POD_VARIABLES, pod_arguments, pod_bootstrap
from mesh.sidecar.process import FLUSH_SECONDS, drain, envoy_argv, in_flight, ready

__all__ = [
    "FLUSH_SECONDS",
    "HEALTH_PATH",
    "POD_NAMESPACE",
    "POD_VARIABLES",
    "Door",
    "Port",
    "drain",
    "envoy_argv",
    "gateway_bootstrap",
    "in_flight",
    "pod_arguments",
    "pod_bootstrap",
    "ready",
    "sidecar_bootstrap",
]
