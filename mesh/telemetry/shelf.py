"""Where telemetry is kept over restarts of the mesh: a Redis hash. The Protocol is what the receiver needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

HASH = "colorlane:mesh:telemetry"


class Shelf(Protocol):
    """Named text fields. `save` is atomic; errors of the store are raised as OSError."""

    async def load(self) -> Mapping[str, str]:
        """Return all fields."""
        ...

    async def save(self, fields: Mapping[str, str], removed: Collection[str] = ()) -> None:
        """Write and remove fields in one step."""
        ...


# KEYS: hash, key that names the leader. ARGV: who writes, number of values to set, names and values, names to remove.
_WRITE_AS_LEADER = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local last = 2 + 2 * ARGV[2]
for number = 3, last, 2 do redis.call('HSET', KEYS[1], ARGV[number], ARGV[number + 1]) end
for number = last + 1, #ARGV do redis.call('HDEL', KEYS[1], ARGV[number]) end
return 1
"""


class RedisShelf:
    """The fields of one Redis hash. `client` is a `redis.asyncio.Redis`.

    `leader`: (key, name). Where given, only the replica that the key names may write: one that was stopped for longer
    than its lease and goes on must not overwrite what its successor has kept.
    """

    def __init__(self, client: Any, name: str = HASH, leader: tuple[str, str] | None = None) -> None:
        self._client = client
        self._name = name
        self._leader = leader

    async def load(self) -> Mapping[str, str]:
        """See `Shelf`."""
        raw = await self._guarded(self._client.hgetall(self._name))
        return {_text(field): _text(value) for field, value in raw.items()}

    async def save(self, fields: Mapping[str, str], removed: Collection[str] = ()) -> None:
        """See `Shelf`."""
        if self._leader is not None:
            await self._save_as_leader(fields, removed, *self._leader)
            return
        pipeline = self._client.pipeline(transaction=True)
        if fields:
            pipeline.hset(self._name, mapping=dict(fields))
        if removed:
            pipeline.hdel(self._name, *removed)
        await self._guarded(pipeline.execute())

    async def _save_as_leader(self, fields: Mapping[str, str], removed: Collection[str], key: str, name: str) -> None:
        pairs = [part for item in fields.items() for part in item]
        written = self._client.eval(_WRITE_AS_LEADER, 2, self._name, key, name, len(fields), *pairs, *removed)
        if not await self._guarded(written):
            raise OSError("telemetry store: another replica counts now")

    @staticmethod
    async def _guarded(call: Any) -> Any:
        from redis.exceptions import RedisError  # late: the mesh can run without Redis on Kubernetes

        try:
            return await call
        except RedisError as error:
            raise OSError(f"telemetry store: {error}") from error


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
