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
