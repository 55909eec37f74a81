"""Options of injection: what the installation decides, and what one pod may say otherwise by annotations. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from mesh.errors import Rejected
from mesh.model.pods import CAPTURE, GROUP

Json = Mapping[str, Any]

EXCLUDE_INBOUND = f"{GROUP}/exclude-inbound-ports"
EXCLUDE_OUTBOUND = f"{GROUP}/exclude-outbound-ports"
EXCLUDE_CIDRS = f"{GROUP}/exclude-outbound-cidrs"
CAPTURE_DNS = f"{GROUP}/capture-dns"
PROXY_CPU = f"{GROUP}/proxy-cpu"
PROXY_CPU_LIMIT = f"{GROUP}/proxy-cpu-limit"
PROXY_MEMORY = f"{GROUP}/proxy-memory"
PROXY_MEMORY_LIMIT = f"{GROUP}/proxy-memory-limit"
PROXY_CONCURRENCY = f"{GROUP}/proxy-concurrency"
DRAIN_SECONDS = f"{GROUP}/drain-seconds"

_PORTS = re.compile(r"\d{1,5}(-\d{1,5})?")
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi)?")


class Mode(StrEnum):
    """How an application's connections reach its sidecar."""

    TRANSPARENT = "transparent"
    PROXY = "proxy"


@dataclass(frozen=True)
class Options:
    """`image`: of the sidecar and of the init container that captures. `ca_pem`: roots of the mesh, to trust.

    `mesh_address` is also the name that the mesh's certificate carries. `drain_seconds`: how long an application goes
    on serving after its pod is told to end, so that callers have stopped by then; 0: not at all. `native_sleep`: the
    cluster knows `lifecycle.preStop.sleep` (Kubernetes >= 1.30). `own_namespace`: Colorlane's, never injected.
    `capture_dns`: off, as the cluster's DNS knows the Services, and Envoy answers no TXT, SRV or MX (decision 0062).
    """

    image: str
    ca_pem: str
    mode: Mode = Mode.TRANSPARENT
    revision: str = ""
    mesh_address: str = "colorlane-mesh.colorlane.svc"
    mesh_port: int = 15010
    own_namespace: str = "colorlane"
    concurrency: int = 1  # the route receipt of nested hops is joined in one thread's memory (colour.lua)
    drain_seconds: int = 5
    native_sleep: bool = True
    cpu: str = "20m"
    cpu_limit: str = ""
    memory: str = "64Mi"
    memory_limit: str = "256Mi"
    pull_policy: str = ""
    pull_secret: str = ""
    capture_dns: bool = False
    exclude_inbound: str = ""
    exclude_outbound: str = ""
    exclude_cidrs: str = ""

    def of(self, annotations: Mapping[str, str]) -> Options:
        """Return the options of one pod. Raises Rejected for an annotation that is not usable, and names it."""
        said = {
            field: read(annotation, str(annotations[annotation]))
            for annotation, (field, read) in _ANNOTATIONS.items()
            if annotation in annotations
        }
        return replace(self, **said) if said else self


def _mode(annotation: str, text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError:
        raise _refused(annotation, text, "write transparent or proxy") from None


def _ports(annotation: str, text: str) -> str:
    parts = _parts(text)
    if not all(_PORTS.fullmatch(part) and max(map(int, part.split("-"))) <= 65535 for part in parts):
        raise _refused(annotation, text, "write numbers like 80,443,8000-8100")
    return ",".join(parts)


def _cidrs(annotation: str, text: str) -> str:
    parts = _parts(text)
    try:
        for part in parts:
            ipaddress.ip_network(part, strict=False)
    except ValueError:
        raise _refused(annotation, text, "write addresses like 10.0.0.0/8,192.0.2.7,fd00::/8") from None
    return ",".join(parts)


def _quantity(annotation: str, text: str) -> str:
    if not _QUANTITY.fullmatch(text):
        raise _refused(annotation, text, "write a quantity of Kubernetes like 100m or 128Mi")
    return text


def _truth(annotation: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise _refused(annotation, text, 'write "true" or "false"')
    return text == "true"


def _number(lowest: int, highest: int) -> Callable[[str, str], int]:
    def read(annotation: str, text: str) -> int:
        if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
            raise _refused(annotation, text, f"write a whole number from {lowest} to {highest}")
        return int(text)

    return read


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _refused(annotation: str, value: str, remedy: str) -> Rejected:
    return Rejected(
        f"annotation {annotation}: {value!r} is not usable; {remedy}", field=annotation, value=value, remedy=remedy
    )


_ANNOTATIONS: Mapping[str, tuple[str, Callable[[str, str], Any]]] = {
    CAPTURE: ("mode", _mode),
    CAPTURE_DNS: ("capture_dns", _truth),
    EXCLUDE_INBOUND: ("exclude_inbound", _ports),
    EXCLUDE_OUTBOUND: ("exclude_outbound", _ports),
    EXCLUDE_CIDRS: ("exclude_cidrs", _cidrs),
    PROXY_CPU: ("cpu", _quantity),
    PROXY_CPU_LIMIT: ("cpu_limit", _quantity),
    PROXY_MEMORY: ("memory", _quantity),
    PROXY_MEMORY_LIMIT: ("memory_limit", _quantity),
    PROXY_CONCURRENCY: ("concurrency", _number(1, 64)),
    DRAIN_SECONDS: ("drain_seconds", _number(0, 3600)),
}
