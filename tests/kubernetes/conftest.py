"""Fixtures of all tests against a real Kubernetes API server. Put yours beside this file, as `test_<what>.py`.

| fixture | scope | what it is |
|---|---|---|
| `cluster` | session | a `Connection` to API server, controllers, scheduler and three fake nodes; pods become ready |
| `namespace` | function | the name of a fresh namespace in it, deleted afterwards (not waited for) |
| `own_cluster` | session | `cluster` with its servers: kill, restart or freeze the API server, forget history |
| `new_cluster` | function | a function that starts further ones with flags of yours; about 5 s each |
| `real_node` | session | a cluster of one real node: `.cluster`, and `.load(archive)` for images; see `node.py` |
| `real_namespace` | function | a fresh namespace in that cluster |

`cluster.kubeconfig` (a path), `.url`, `.ca`; `.kubectl("get", "pods")`, `.apply(object, ..., namespace=)`, `.get(kind,
name, namespace)`, `.http()`; `.service_account_kubeconfig(namespace, name)` for a client with the rights you bind only.
`stages/README.md` tells how to have pods that fail, flap or are late. `tests.fakes.background.wait_for` waits.

The programs come from `build_assets`; without them all these tests are skipped, by one line that says how to get them.
With COLORLANE_TEST_KUBECONFIG=<file> they run against that cluster; those that need servers of their own are skipped.
Tests leave nothing behind outside their namespace: name cluster-wide objects after it, and delete them.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.background import wait_for
from tests.kubernetes import assets, node
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.connection import Connection, KubectlFailed
from tests.kubernetes.node import RealNode

FOLDER = "tests/kubernetes"
FOREIGN = "COLORLANE_TEST_KUBECONFIG"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the first test that wants a cluster the time to wait for a build that is under way."""
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    waiting = [item for item in here if {"cluster", "programs"} & set(getattr(item, "fixturenames", []))]
    for item in waiting[:1]:
        item.add_marker(pytest.mark.timeout(assets.LONGEST_BUILD + 120))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why tests of this folder were skipped, each reason once and without being asked."""
    skipped = [one for one in terminalreporter.stats.get("skipped", []) if one.nodeid.startswith(FOLDER)]
    for reason in sorted({str(one.longrepr[2]).removeprefix("Skipped: ") for one in skipped}):
        terminalreporter.line(f"{FOLDER}: skipped: {reason}")


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of the control plane's programs."""
    try:
        return assets.find()
    except assets.MissingAssets as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Connection:
    """The cluster that all tests share: the one of COLORLANE_TEST_KUBECONFIG, else our own."""
    if foreign := os.environ.get(FOREIGN):
        return Connection(Path(foreign), tmp_path_factory.mktemp("kubernetes"))
    shared: Cluster = request.getfixturevalue("own_cluster")
    return shared


@pytest.fixture(scope="session")
def own_cluster(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of which the tests hold the servers. Leave it running."""
    if os.environ.get(FOREIGN):
        pytest.skip(f"needs servers of its own; unset {FOREIGN}")
    with Cluster(tmp_path_factory.mktemp("kubernetes"), programs) as started:
        yield started


@pytest.fixture
def new_cluster(programs: Path, tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """Starts clusters for one test: `new_cluster(nodes=0, controllers=False, apiserver_flags=(...))`."""
    with contextlib.ExitStack() as started:
        yield lambda **shape: started.enter_context(Cluster(tmp_path / uuid.uuid4().hex[:6], programs, **shape))


@pytest.fixture(scope="session")
def real_node(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNode]:
    """A cluster of its own with one node on which pods really run."""
    try:
        with node.start(tmp_path_factory.mktemp("node"), programs) as started:
            yield started
    except node.CannotRun as reason:
        pytest.skip(str(reason))


@pytest.fixture
def namespace(cluster: Connection) -> Iterator[str]:
    """A fresh namespace of `cluster`, usable: its default ServiceAccount is there."""
    with fresh_namespace(cluster) as name:
        yield name


@contextlib.contextmanager
def fresh_namespace(cluster: Connection) -> Iterator[str]:
    """Make a namespace with a random name, and delete it afterwards."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    wait_for("the default ServiceAccount", lambda: has_service_account(cluster, name))
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def real_namespace(real_node: RealNode) -> Iterator[str]:
    """A fresh namespace of the cluster of `real_node`."""
    with fresh_namespace(real_node.cluster) as name:
        yield name


def has_service_account(cluster: Connection, namespace: str) -> bool:
    """Whether pods can be made in the namespace."""
    with contextlib.suppress(KubectlFailed):
        return bool(cluster.get("serviceaccounts", "default", namespace))
    return False
