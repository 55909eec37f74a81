"""What goes wrong is survived and said in words: crashes, silence, taken ports, a killed agent."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import urllib.error
import urllib.request

import pytest

from delivery.adapters.platform_local.folders import Folders
from delivery.processes.ports import port_is_free
from delivery.processes.process import spawn
from delivery.workloads import Health
from tests.fakes.workloads import workload

pytestmark = pytest.mark.integration


def test_a_crashing_workload_is_failing_with_its_last_words(rig):
    spec = workload(rig.state_dir, code="import sys; sys.exit('no database at 10.0.0.1')")
    rig.platform.apply(spec)
    status = rig.until_health(spec.key, Health.FAILING)
    assert status.reason.startswith("exited with code 1 after ")
    assert status.reason.endswith("last line: no database at 10.0.0.1")
    rig.until(lambda: rig.platform.status(spec.key).restarts >= 2, "restarts")


def test_one_crash_is_mended(rig):
    spec = workload(rig.state_dir)
    rig.platform.apply(spec)
    rig.until_health(spec.key, Health.READY)
    port = rig.mesh.endpoints()["bookshop/reviews/alice/v1/0"]["ports"][0]["inbound"]
    with contextlib.suppress(urllib.error.URLError):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{port}/crash")
    rig.until(lambda: rig.platform.status(spec.key).restarts == 1, "restart")
    rig.until_health(spec.key, Health.READY)
    assert rig.mesh.states_of("bookshop/reviews/alice/v1/0")[-3:] == ["ready", "starting", "ready"]


def test_a_killed_sidecar_comes_back_on_the_same_ports(rig):
    spec = workload(rig.state_dir)
    rig.platform.apply(spec)
    rig.until_health(spec.key, Health.READY)
    before = rig.document(spec.key).replicas[0]
    os.kill(before.sidecar_pid, signal.SIGKILL)
    rig.until(lambda: rig.document(spec.key).replicas[0].sidecar_pid not in (None, before.sidecar_pid), "new sidecar")
    rig.until_health(spec.key, Health.READY)
    after = rig.document(spec.key).replicas[0]
    assert (after.ports, after.app_pid) == (before.ports, before.app_pid)


def test_a_workload_that_ignores_PORT_is_told_so(rig):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        fixed = probe.getsockname()[1]
    code = f"import http.server as h; h.HTTPServer(('127.0.0.1', {fixed}), h.SimpleHTTPRequestHandler).serve_forever()"
    spec = workload(rig.state_dir, code=code)
    rig.platform.apply(spec)
    told = rig.until(
        lambda: "instead" in rig.platform.status(spec.key).reason and rig.platform.status(spec.key), "the hint"
    )
    assert told.health is Health.STARTING
    assert "readiness probe GET /healthz on port" in told.reason
    assert "connection refused for " in told.reason
    assert f"it listens on port {fixed} instead: let it listen on the environment variable PORT" in told.reason


def test_a_startup_probe_ends_a_workload_that_never_comes_up(rig):
    probe = {"tcpSocket": {"port": 9080}, "periodSeconds": 1, "failureThreshold": 1}
    spec = workload(rig.state_dir, code="import time; time.sleep(600)", container={"startupProbe": probe})
    rig.platform.apply(spec)
    rig.until(lambda: rig.platform.status(spec.key).restarts >= 1, "restart by the startup probe")
    assert any(
        "restarted, because the startup probe connecting on port" in line for line in rig.platform.logs(spec.key)
    )


def test_a_killed_agent_costs_nothing(rig):
    spec = workload(rig.state_dir, replicas=2)
    rig.platform.apply(spec)
    rig.until_health(spec.key, Health.READY)
    before = sorted(rig.processes())
    rig.agent.kill()
    assert sorted(rig.processes()) == before
    told = len(rig.mesh.history)
    rig.agent.start()
    rig.until(lambda: len(rig.mesh.history) > told, "registration by the new agent")
    rig.until_health(spec.key, Health.READY)
    assert sorted(rig.processes()) == before
    assert all(each["state"] == "ready" for listing in rig.mesh.history[told:] for each in listing)
    assert {len(listing) for listing in rig.mesh.history[told:]} == {2}


def test_what_died_with_the_agent_is_started_again(rig):
    spec = workload(rig.state_dir)
    rig.platform.apply(spec)
    rig.until_health(spec.key, Health.READY)
    before = rig.document(spec.key).replicas[0]
    rig.agent.kill()
    os.kill(before.app_pid, signal.SIGKILL)
    rig.agent.start()
    rig.until(lambda: rig.document(spec.key).replicas[0].app_pid not in (None, before.app_pid), "a new application")
    rig.until_health(spec.key, Health.READY)
    assert rig.document(spec.key).replicas[0].sidecar_pid == before.sidecar_pid
    assert len(rig.processes()) == 2


def test_a_removal_is_finished_by_the_next_agent(rig):
    spec = workload(rig.state_dir)
    rig.platform.apply(spec)
    rig.until_health(spec.key, Health.READY)
    rig.agent.kill()
    rig.platform.remove(spec.key, generation=2)
    rig.agent.start()
    rig.until_health(spec.key, Health.ABSENT)
    assert rig.processes() == []


def test_a_drain_that_was_cut_off_is_finished_without_starting_anything(rig):
    spec = workload(rig.state_dir)
    rig.platform.apply(spec)
    rig.until_health(spec.key, Health.READY)
    before = rig.document(spec.key).replicas[0]
    rig.mesh.still_routed.add("bookshop/reviews/alice/v1/0")
    rig.platform.remove(spec.key, generation=2)
    rig.until(lambda: rig.mesh.endpoints()["bookshop/reviews/alice/v1/0"]["state"] == "draining", "draining")
    rig.agent.kill()
    os.kill(before.app_pid, signal.SIGKILL)
    rig.agent.start()
    rig.until(lambda: "agent.adopted" in rig.agent.log.read_text(), "adoption")
    rig.until_health(spec.key, Health.ABSENT)
    assert rig.processes() == []
    assert rig.agent.log.read_text().count("replica.started") == 2, "one application and one sidecar, in all"


def test_orphans_are_reaped(rig):
    spec = workload(rig.state_dir)
    rig.platform.apply(spec)
    rig.until_health(spec.key, Health.READY)
    rig.agent.kill()
    folders = Folders(rig.state_dir)
    shutil.rmtree(folders.desired_dir)  # lost by accident: the record is known, nothing wants it
    stray = spawn(
        ["sleep", "600"],
        cwd=rig.state_dir,
        env={"PATH": os.environ["PATH"], "COLORLANE_WORKLOAD": f"{rig.state_dir}:lost.record.-.v1/0/app"},
        log=rig.state_dir / "stray.log",
    )
    rig.agent.start()
    rig.until(lambda: not stray.alive(), "end of the process without a record")
    rig.until(lambda: not rig.processes(), "end of the replica that nothing wants")
    rig.until(lambda: rig.platform.list("bookshop") == [], "an empty list")


def test_a_port_taken_by_another_program_gives_a_replica_new_ports(rig):
    spec = workload(rig.state_dir)
    rig.platform.apply(spec)
    rig.until_health(spec.key, Health.READY)
    before = rig.document(spec.key).replicas[0]
    target = int(before.ports["targets"]["9080"])
    rig.agent.kill()
    os.kill(before.app_pid, signal.SIGKILL)
    rig.until(lambda: port_is_free(target), "end of the application")  # the kernel closes its sockets last
    with socket.create_server(("127.0.0.1", target)):
        rig.agent.start()
        rig.until(lambda: set(rig.mesh.endpoints()) == {"bookshop/reviews/alice/v1/1"}, "another replica")
        rig.until_health(spec.key, Health.READY)
    assert int(rig.document(spec.key).replicas[0].ports["targets"]["9080"]) != target


def test_a_mesh_that_is_away_is_waited_for(rig):
    rig.mesh.away = True
    spec = workload(rig.state_dir)
    rig.platform.apply(spec)
    rig.until(lambda: "is the mesh running?" in rig.platform.status(spec.key).reason, "the reason")
    assert rig.platform.status(spec.key).health is Health.STARTING
    rig.mesh.away = False
    rig.until_health(spec.key, Health.READY)
    assert rig.mesh.endpoints()["bookshop/reviews/alice/v1/0"]["state"] == "ready"
    rig.mesh.away = True
    rig.platform.remove(spec.key, generation=2)
    rig.until_health(spec.key, Health.ABSENT)
