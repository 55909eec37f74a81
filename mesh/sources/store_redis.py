"""Store: the mesh's truth in Redis hashes `colorlane:mesh:<kind>`, followed by every replica over pub/sub.

A write is one Lua script: check the generation, set the field, publish the change. Every replica, the writer too,
takes changes from the channel only, so all apply them in the one order that Redis gave them. A write returns when its
own change has come back. A replica that lost the channel loads everything again.

Changes are numbered: by the number of the newest one that it has taken in (`position`), a replica tells another how
far it has come. The number travels behind the writer's identity, `identity#number`: replicas that know of no numbers
read on.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import redis.asyncio as redis
import structlog

from mesh.errors import Conflict, Transient
from mesh.model.nouns import Endpoint, Environment, Intent, Namespace, read_color
from mesh.model.world import World
from mesh.sources import records

PREFIX: Final = "colorlane:mesh:"
CHANNEL: Final = PREFIX + "changes"
COUNTER: Final = PREFIX + "position"
NAMESPACES, ENVIRONMENTS, INTENTS, NODES, PORTS = "namespaces", "environments", "intents", "endpoints", "ports"
OPERATION_SECONDS = 2.0
HEALTH_CHECK_SECONDS = 5

# KEYS: hash, ..., counter (last). ARGV: channel, field, value ("" deletes), change as JSON in two parts, generation
# ("" for none). The change's number goes between the parts.
# What is there already is not written: nodes tell their endpoints every few seconds, and each write stays in the
# append-only file. The echo is published all the same: whoever writes has then applied all that was written before.
# A withdrawn intent of a generation is newer than the live one of the same generation.
_WRITE = """
local held = redis.call('HGET', KEYS[1], ARGV[2])
local same = (held or '') == ARGV[3]
if held and ARGV[6] ~= '' then
  local old, new = cjson.decode(held), cjson.decode(ARGV[3])
  if old.generation > new.generation then return {0, held} end
  same = old.generation == new.generation and (old.withdrawn or not new.withdrawn)
end
if same then
  redis.call('PUBLISH', ARGV[1], ARGV[4] .. ARGV[7])
  return {1, ''}
end
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[2])
else redis.call('HSET', KEYS[1], ARGV[2], ARGV[3]) end
redis.call('PUBLISH', ARGV[1], ARGV[4] .. '#' .. redis.call('INCR', KEYS[#KEYS]) .. ARGV[5])
return {1, ''}
"""
_OLDER = 0

# KEYS: namespaces, environments, intents, counter. ARGV as above. One step: nothing can be written in between.
_FORGET = """
redis.call('HDEL', KEYS[1], ARGV[2])
for number = 2, 3 do
  for _, field in ipairs(redis.call('HKEYS', KEYS[number])) do
    if string.sub(field, 1, #ARGV[2] + 1) == ARGV[2] .. '/' then redis.call('HDEL', KEYS[number], field) end
  end
end
redis.call('PUBLISH', ARGV[1], ARGV[4] .. '#' .. redis.call('INCR', KEYS[#KEYS]) .. ARGV[5])
return {1, ''}
"""

log = structlog.get_logger("mesh.store")


@dataclass(frozen=True)
class Change:
    """One field of one hash now has this text; "" means that it is gone."""

    kind: str
    field: str
    text: str

    def apply(self, world: World) -> World:
        """Return the world with the change in it."""
        if self.kind == INTENTS and self.text:
            return world.with_intent(records.read_intent(self.field, self.text))
        if self.kind == NODES:
            return world.with_node(self.field, records.read_endpoints(self.field, self.text or "[]"))
        if self.kind == NAMESPACES:
            if not self.text:
                return world.without_namespace(self.field)
            return world.with_namespace(records.read_namespace(self.field, self.text))
        if self.kind == ENVIRONMENTS:
            if not self.text:
                namespace, color = self.field.split("/")
                return world.without_environment(namespace, read_color(color))
            return world.with_environment(records.read_environment(self.field, self.text))
        return world


class RedisStore:
    """Durable writes, which need `follow` running; each raises `Transient` while Redis is away.

    `position`: number of the newest change that was handed over.
    """

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=OPERATION_SECONDS,
            socket_connect_timeout=OPERATION_SECONDS,
            health_check_interval=HEALTH_CHECK_SECONDS,  # finds a connection that died in silence
        )
        self.position = 0
        self._echoes: dict[str, asyncio.Future[None]] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def load(self) -> World:
        """Read the whole world."""
        world: World = await self._guard(self._load())
        return world

    async def put_namespace(self, namespace: Namespace) -> None:
        """Add or replace a namespace."""
        await self._write(NAMESPACES, namespace.name, records.write_namespace(namespace))

    async def remove_namespace(self, name: str) -> None:
        """Forget a namespace with its environments and intents."""
        hashes = [PREFIX + kind for kind in (NAMESPACES, ENVIRONMENTS, INTENTS)]
        await self._run(_FORGET, hashes, NAMESPACES, name, "")

    async def put_environment(self, environment: Environment) -> None:
        """Make a colour known."""
        field = records.environment_field(environment.namespace, environment.color)
        await self._write(ENVIRONMENTS, field, records.write_environment(environment))

    async def remove_environment(self, namespace: str, color: str) -> None:
        """Forget a colour."""
        await self._write(ENVIRONMENTS, records.environment_field(namespace, color), "")

    async def put_intent(self, intent: Intent) -> None:
        """Write an intent unless it is older than the newest seen (`Conflict`); the same generation changes nothing."""
        field, text = records.lane_field(intent.key), records.write_intent(intent)
        await self._write(INTENTS, field, text, generation=intent.generation)

    async def put_node(self, node: str, endpoints: list[Endpoint]) -> None:
        """Replace the endpoints of a node; none means that the node is gone."""
        await self._write(NODES, node, records.write_endpoints(endpoints) if endpoints else "")

    async def put_ports(self, ports: Mapping[tuple[str, str], Mapping[int, str]]) -> None:
        """Remember the ports of services, so that one whose replicas are all away keeps its routes."""
        content = {f"{namespace}/{service}": records.write_ports(each) for (namespace, service), each in ports.items()}
        await self._guard(self._replace(PORTS, content))

    async def follow(self, apply: Callable[[Change], None], reload: Callable[[], Awaitable[None]]) -> None:
        """Run for ever: hand over changes that any replica writes. Calls `reload` after each (re)connection."""
        while True:
            try:
                async with self.client.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    await reload()
                    for waiting in self._echoes.values():  # what was written before is loaded
                        _resolve(waiting)
                    await self._listen(channel, apply)
            except (redis.RedisError, OSError, Transient) as error:
                log.warning("lost the store, trying again", reason=str(error))
                await asyncio.sleep(0.5)

    async def _listen(self, channel: Any, apply: Callable[[Change], None]) -> None:
        while True:
            message = await channel.get_message(ignore_subscribe_messages=True, timeout=5.0)
            if message is not None and message["type"] == "message":
                writer, kind, field, text = json.loads(message["data"])
                identity, _, number = writer.partition("#")
                self.position = max(self.position, int(number or 0))
                apply(Change(kind, field, text))
                if identity in self._echoes:
                    _resolve(self._echoes[identity])

    async def _write(self, kind: str, field: str, text: str, *, generation: int | None = None) -> None:
        await self._run(_WRITE, [PREFIX + kind], kind, field, text, generation=generation)

    async def _run(
        self, script: str, hashes: list[str], kind: str, field: str, text: str, *, generation: int | None = None
    ) -> None:
        """Run a script and return when what it published has come back."""
        identity = uuid.uuid4().hex
        head, change, echo = f'["{identity}', f'", {json.dumps([kind, field, text])[1:]}', '", "", "", ""]'
        guard = "" if generation is None else str(generation)
        applied = self._echoes[identity] = asyncio.get_running_loop().create_future()
        try:
            outcome, held = await self._guard(
                self.client.eval(
                    script, len(hashes) + 1, *hashes, COUNTER, CHANNEL, field, text, head, change, guard, echo
                )
            )
            if outcome == _OLDER:
                raise _older(field, generation, records.read_intent(field, held).generation)
            await self._guard(asyncio.wait_for(applied, OPERATION_SECONDS))
        finally:
            del self._echoes[identity]

    async def _replace(self, kind: str, content: dict[str, str]) -> None:
        async with self.client.pipeline(transaction=True) as pipeline:
            pipeline.delete(PREFIX + kind)
            if content:
                pipeline.hset(PREFIX + kind, items=[part for item in content.items() for part in item])
            await pipeline.execute()

    async def _load(self) -> World:
        world = World()
        self.position = int(await self.client.get(COUNTER) or 0)  # first: what is read after it holds these changes
        for kind in (NAMESPACES, ENVIRONMENTS, INTENTS, NODES):
            for field, text in sorted((await self._read(kind)).items()):
                world = Change(kind, field, text).apply(world)
        remembered = {}
        for field, text in (await self._read(PORTS)).items():
            namespace, service = field.split("/")
            remembered[namespace, service] = records.read_ports(text)
        return world.with_ports(remembered)

    async def _read(self, kind: str) -> dict[str, str]:
        found = await self.client.hgetall(PREFIX + kind)
        return {str(field): str(text) for field, text in found.items()}

    @staticmethod
    async def _guard(operation: Awaitable[Any]) -> Any:
        try:
            return await operation
        except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError, OSError, TimeoutError) as error:
            raise Transient(f"the mesh's store (Redis) does not answer: {error}", retry_after=1.0) from error


def _resolve(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _older(field: str, generation: int | None, newest: int) -> Conflict:
    return Conflict(
        f"intent {field} generation {generation} is older than the newest one seen, {newest}",
        field="generation",
        value=generation,
        remedy=f"read the intent again and send a generation above {newest}",
    )
