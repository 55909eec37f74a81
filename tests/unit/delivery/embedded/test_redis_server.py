"""Finding a redis-server, or saying what to do without one."""

import os

import pytest

from delivery.embedded import redis_server
from delivery.errors import Rejected


def test_the_wheel_brings_one():
    assert os.access(redis_server.find_redis_server(""), os.X_OK)


def test_one_on_path_will_do(tmp_path, monkeypatch):
    monkeypatch.setattr(redis_server.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(redis_server.sys, "executable", str(tmp_path / "python"))
    program = tmp_path / "elsewhere" / "redis-server"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert redis_server.find_redis_server(str(program.parent)) == str(program)
    with pytest.raises(Rejected) as refusal:
        redis_server.find_redis_server(str(tmp_path))
    assert "COLORLANE_REDIS_URL" in refusal.value.remedy


def test_the_password_is_remembered_and_for_this_user_alone(tmp_path):
    password = redis_server.remembered_password(tmp_path / "redis")
    config = tmp_path / "redis" / "redis.conf"
    assert config.stat().st_mode & 0o777 == 0o600
    assert len(password) >= 32
    assert redis_server.remembered_password(tmp_path / "redis") == password == redis_server.read_password(config)


def test_no_password_where_nothing_was_written(tmp_path):
    assert redis_server.read_password(tmp_path / "none") == ""
    (tmp_path / "other").write_text("port 1\n")
    assert redis_server.read_password(tmp_path / "other") == ""
