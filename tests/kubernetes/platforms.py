"""Platforms on the tests' cluster, and what their tests ask it. Neighbours: test_platform*.py."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from delivery.adapters.platform_kubernetes import KubernetesPlatform, Layout
from delivery.adapters.platform_kubernetes.connection import connect
from delivery.workloads import Health, WorkloadKey, WorkloadStatus
from tests.fakes.tcp_proxy import TcpProxy
from tests.kubernetes.connection import Connection


@contextlib.contextmanager
def platform_on(kubeconfig: Path, layout: Layout) -> Iterator[KubernetesPlatform]:
    """Yield a platform; its watches end with it."""
    platform = KubernetesPlatform(lambda: connect(str(kubeconfig)), layout)
    try:
        yield platform
    finally:
        platform.close()


@contextlib.contextmanager
def through_a_proxy(cluster: Connection, namespace: str, folder: Path) -> Iterator[tuple[KubernetesPlatform, TcpProxy]]:
    """Yield a platform whose way to the API server can be cut."""
    address = urlsplit(cluster.url)
    with TcpProxy((str(address.hostname), int(address.port or 443))) as proxy:
        kubeconfig = folder / "through-proxy.kubeconfig"
        kubeconfig.write_text(cluster.kubeconfig.read_text().replace(str(address.netloc), f"127.0.0.1:{proxy.port}"))
        with platform_on(kubeconfig, Layout(namespace=namespace)) as platform:
            yield platform, proxy


def until(platform: KubernetesPlatform, key: WorkloadKey, health: Health, seconds: float = 30.0) -> WorkloadStatus:
    """Return the first reading of that health."""
    deadline = time.monotonic() + seconds
    while (status := platform.status(key)).health is not health:
        assert time.monotonic() < deadline, status
        time.sleep(0.02)
    return status
