"""Which processes the stack has, and in which order they may start and must stop."""

import sys
from pathlib import Path

from delivery.embedded.description import Layout, describe

LAYOUT = Layout(
    state_dir=Path("/state"),
    api_host="127.0.0.1",
    api_port=8000,
    gateway_port=8080,
    gateway_admin=20100,
    mesh_port=15012,
    redis_port=20101,
    redis_program="/bin/redis-server",
)


def named(layout=LAYOUT):
    return {each.name: each for each in describe(layout)}


def test_the_names_that_people_and_chaos_use():
    assert list(named()) == ["redis", "mesh", "gateway", "agent", "api", "worker-control", "worker-build"]


def test_a_redis_of_somebody_else_is_not_started():
    layout = Layout(**{**vars(LAYOUT), "redis_program": ""})
    assert "redis" not in named(layout)
    assert len(named(layout)) == 6


def test_users_are_served_to_the_end():
    stage = {name: each.stage for name, each in named().items()}
    assert stage["api"] == stage["worker-control"] == stage["worker-build"] > stage["agent"], "no orders at the end"
    assert stage["agent"] > stage["gateway"] > stage["mesh"] > stage["redis"], "requests in flight end first"


def test_nobody_needs_what_stops_before_it():
    parts = named()
    assert all(parts[need].stage < each.stage for each in parts.values() for need in each.needs)


def test_redis_keeps_what_it_is_told_and_listens_on_loopback_only():
    argv = " ".join(named()["redis"].argv)
    assert "--bind 127.0.0.1" in argv
    assert "--appendonly yes" in argv
    assert "--port 20101" in argv


def test_commands_run_our_interpreter_without_the_current_directory_on_its_path():
    for name in ("mesh", "agent", "api", "worker-control", "worker-build"):
        assert named()[name].argv[:3] == (sys.executable, "-P", "-m")
    assert named()["worker-build"].argv[3:] == ("delivery", "worker", "build")


def test_no_secret_can_stand_in_a_command():
    words = " ".join(word for each in named().values() for word in each.argv).lower()
    assert "token" not in words
    assert "redis://" not in words
