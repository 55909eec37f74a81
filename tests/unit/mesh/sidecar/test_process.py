"""Starting and watching a proxy process, without a proxy."""

import socket
from pathlib import Path

from mesh.sidecar import drain, envoy_argv, in_flight, ready


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_argv_uses_a_file_and_one_worker() -> None:
    argv = envoy_argv(Path("/x/bootstrap.json"))
    assert argv[1:5] == ["-c", "/x/bootstrap.json", "--concurrency", "1"]
    assert "--disable-hot-restart" in argv


def test_base_id_turns_hot_restart_on() -> None:
    argv = envoy_argv(Path("b.json"), base_id=7)
    assert argv[argv.index("--base-id") + 1] == "7"
    assert "--disable-hot-restart" not in argv


def test_a_proxy_that_is_away_is_not_ready_and_nothing_is_raised() -> None:
    port = free_port()
    assert not ready(port)
    assert not drain(port)
    assert in_flight(port) is None
