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


class RedisShelf:
    """The fields of one Redis hash. `client` is a `redis.asyncio.Redis`."""

    def __init__(self, client: Any, name: str = HASH) -> None:
        self._client = client
        self._name = name

    async def load(self) -> Mapping[str, str]:
        """See `Shelf`."""
        raw = await self._guarded(self._client.hgetall(self._name))
        return {_text(field): _text(value) for field, value in raw.items()}

    async def save(self, fields: Mapping[str, str], removed: Collection[str] = ()) -> None:
        """See `Shelf`."""
        pipeline = self._client.pipeline(transaction=True)
        if fields:
            pipeline.hset(self._name, mapping=dict(fields))
        if removed:
            pipeline.hdel(self._name, *removed)
        await self._guarded(pipeline.execute())

    @staticmethod
    async def _guarded(call: Any) -> Any:
        from redis.exceptions import RedisError  # late: the mesh can run without Redis on Kubernetes

        try:
            return await call
        except RedisError as error:
            raise OSError(f"telemetry store: {error}") from error


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
