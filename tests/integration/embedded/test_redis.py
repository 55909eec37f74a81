"""The stack's own Redis serves who knows its password, and nobody else on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from delivery.embedded.description import describe
from delivery.embedded.stack import Stack
from delivery.embedded.supervisor import Supervisor
from delivery.settings import Settings
from tests.integration.embedded.supervised import free_ports

pytestmark = pytest.mark.integration


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


async def test_strangers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLORLANE_REDIS_URL", raising=False)
    api, gateway, xds, mesh = free_ports(4)
    stack = Stack(Settings(state_dir=tmp_path, api_port=api, gateway_port=gateway, xds_port=xds, mesh_port=mesh))
    layout, url = stack.lay_out()
    only_redis = [each for each in describe(layout) if each.name == "redis"]
    supervisor = Supervisor(stack.state_dir, only_redis, stack.environment(url))
    await supervisor.start(lambda line: None)
    process = supervisor.process_of("redis")
    try:
        with redis.Redis(port=layout.redis_port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        with redis.Redis.from_url(url) as friend:
            assert friend.ping()
            password = friend.config_get("requirepass")["requirepass"]
        assert process is not None
        assert password not in command_line(process.pid)
    finally:
        await supervisor.stop()
