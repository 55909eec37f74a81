"""The life of a workload on real processes and Envoys: ready, called, changed, removed."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from dataclasses import replace

import pytest

from delivery.workloads import Health
from tests.fakes.workloads import SERVER, workload

pytestmark = pytest.mark.integration


def get(port, path="/", timeout=10):
    """Return the JSON an application answers, without any proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}{path}", timeout=timeout) as answer:
        return json.load(answer)


def test_a_workload_becomes_ready_and_answers_through_its_sidecar(rig):
    spec = workload(rig.state_dir)
    began = time.monotonic()
    rig.platform.apply(spec)
    status = rig.until_health(spec.key, Health.READY)
    took = time.monotonic() - began
    assert (status.ready, status.wanted, status.restarts, status.reason) == (1, 1, 0, "")
    assert took < 5, f"apply to ready took {took:.2f} s"

    endpoint = rig.mesh.endpoints()["bookshop/reviews/alice/v1/0"]
    assert endpoint["state"] == "ready"
    answer = get(endpoint["ports"][0]["inbound"])
    env = answer["env"]
    assert env["PORT"] == str(endpoint["ports"][0]["target"])
    assert env["http_proxy"] == f"http://127.0.0.1:{endpoint['outbound']}"
    assert env["POD_NAME"] == "reviews-alice-v1-0"
    assert "never-for-applications" not in env.values()
    assert rig.mesh.states_of(endpoint["id"]) == ["starting", "ready"]
    assert list(rig.platform.logs(spec.key)) == ["[0] listening"]


def test_removal_leaves_nothing(rig):
    spec = workload(rig.state_dir, replicas=2)
    rig.platform.apply(spec)
    rig.until_health(spec.key, Health.READY)
    assert len(rig.processes()) == 4
    rig.platform.remove(spec.key, generation=2)
    assert rig.platform.status(spec.key).health is Health.STOPPING
    rig.until_health(spec.key, Health.ABSENT)
    assert rig.processes() == []
    assert rig.platform.list("bookshop") == []
    for folder in ("desired", "status", "run"):
        assert list((rig.state_dir / "platform" / folder).rglob("*")) == []
    rig.until(lambda: rig.mesh.endpoints() == {}, "withdrawal of the endpoints")
    assert rig.mesh.states_of("bookshop/reviews/alice/v1/0") == ["starting", "ready", "draining"]


def test_a_replica_waits_for_withdrawal_and_for_requests_in_flight(rig):
    spec = workload(rig.state_dir)
    rig.platform.apply(spec)
    rig.until_health(spec.key, Health.READY)
    endpoint = rig.mesh.endpoints()["bookshop/reviews/alice/v1/0"]
    rig.mesh.still_routed.add(endpoint["id"])
    port, answers = endpoint["ports"][0]["inbound"], []
    slow = threading.Thread(target=lambda: answers.append(get(port, "/slow=1.5")))
    slow.start()
    rig.platform.remove(spec.key, generation=2)
    rig.until(lambda: rig.mesh.endpoints()[endpoint["id"]]["state"] == "draining", "draining")
    assert get(port)["pid"], "a routed replica must answer until it is withdrawn"
    rig.mesh.still_routed.clear()
    slow.join()
    assert len(answers) == 1, "the request in flight must end well"
    rig.until_health(spec.key, Health.ABSENT)


def test_a_change_starts_the_new_before_it_drains_the_old(rig):
    spec = workload(rig.state_dir)
    rig.platform.apply(spec)
    rig.until_health(spec.key, Health.READY)
    changed = workload(rig.state_dir, generation=2, container={"env": [{"name": "NEW", "value": "yes"}]})
    rig.platform.apply(changed)
    rig.until(lambda: set(rig.mesh.endpoints()) == {"bookshop/reviews/alice/v1/1"}, "replacement")
    ready_counts = [sum(each["state"] == "ready" for each in listing) for listing in rig.mesh.history]
    assert 0 not in ready_counts[ready_counts.index(1) :], "at every moment one replica was ready"
    port = rig.mesh.endpoints()["bookshop/reviews/alice/v1/1"]["ports"][0]["inbound"]
    assert get(port)["env"]["NEW"] == "yes"


def test_replicas_follow_the_wanted_number(rig):
    spec = workload(rig.state_dir)
    rig.platform.apply(spec)
    rig.until_health(spec.key, Health.READY)
    first = rig.document(spec.key).replicas[0].app_pid
    rig.platform.apply(replace(spec, generation=2, replicas=3))
    rig.until(lambda: rig.platform.status(spec.key).ready == 3, "three replicas")
    rig.platform.apply(replace(spec, generation=3, replicas=1))
    rig.until(lambda: len(rig.mesh.endpoints()) == 1, "one replica")
    assert rig.document(spec.key).replicas[0].app_pid == first


def test_node_applications_run_too(rig):
    code = """require('http').createServer((request, response) => {
        response.end('{"node": "' + process.version + '"}')
    }).listen(process.env.PORT, '127.0.0.1')"""
    spec = workload(rig.state_dir, code=code, command=["node", "app.py"])
    rig.platform.apply(spec)
    rig.until_health(spec.key, Health.READY)
    port = rig.mesh.endpoints()["bookshop/reviews/alice/v1/0"]["ports"][0]["inbound"]
    assert int(get(port)["node"].lstrip("v").split(".")[0]) >= 24


def test_stopping_the_agent_stops_the_workloads_and_the_next_starts_them_again(rig):
    spec = workload(rig.state_dir, code=SERVER)
    rig.platform.apply(spec)
    rig.until_health(spec.key, Health.READY)
    rig.agent.stop()
    assert rig.processes() == []
    rig.agent.start()
    rig.until_health(spec.key, Health.READY)
    assert len(rig.processes()) == 2
