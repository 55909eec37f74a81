"""Replicas in Redis: who serves this mesh, kept by heartbeats that one script takes in and answers.

Hashes `colorlane:mesh:replicas` (id -> milliseconds and URL), `:connected` (id -> its proxies, as JSON), `:gateways`
(node id -> milliseconds when a replica last had it), the key `:leader`, which ends by itself, and the hash `:term`, who
led last and how often that changed. Redis' clock is the only one, so replicas need not agree about the
time. Neighbours: model.replicas, serving.fleet, bootstrap (beats).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mesh.errors import Transient
from mesh.model.replicas import GRACE_SECONDS, LEASE_SECONDS, Roll

PREFIX: Final = "colorlane:mesh:"
LEADER: Final = PREFIX + "leader"
KEYS: Final = (PREFIX + "replicas", PREFIX + "connected", PREFIX + "gateways", LEADER, PREFIX + "term")
FORGET_SECONDS: Final = 60.0
GATEWAY_SECONDS: Final = 86_400.0  # longer than any lease of weights

# ARGV: id, url, lease, forget and gateway memory in ms, its proxies as JSON ("" where they are as they were), whether
# it may lead, its gateways. Returns the time, the replicas, the gateways, the leader, and its term.
_BEAT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id, lease, forget, memory = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
redis.call('HSET', KEYS[1], id, now .. ' ' .. ARGV[2])
if ARGV[6] ~= '' then redis.call('HSET', KEYS[2], id, ARGV[6]) end
for number = 8, #ARGV do redis.call('HSET', KEYS[3], ARGV[number], now) end
local found = redis.call('HGETALL', KEYS[1])
for number = 1, #found, 2 do
  if now - tonumber(string.match(found[number + 1], '^%d+')) > forget then
    redis.call('HDEL', KEYS[1], found[number])
    redis.call('HDEL', KEYS[2], found[number])
  end
end
local gateways = redis.call('HGETALL', KEYS[3])
for number = 1, #gateways, 2 do
  if now - tonumber(gateways[number + 1]) > memory then redis.call('HDEL', KEYS[3], gateways[number]) end
end
local leader = redis.call('GET', KEYS[4])
if ARGV[7] == '1' and (not leader or leader == id) then
  redis.call('SET', KEYS[4], id, 'PX', lease)
  leader = id
  if redis.call('HGET', KEYS[5], 'leader') ~= id then
    redis.call('HSET', KEYS[5], 'leader', id)
    redis.call('HINCRBY', KEYS[5], 'number', 1)
  end
end
return {tostring(now), found, gateways, leader or '', redis.call('HGET', KEYS[5], 'number') or '0'}
"""

# Its proxies are owed from now on: as if its lease had ended. ARGV: id, url, lease in ms.
_LEAVE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %s', now - ARGV[3] - 1, ARGV[2]))
if redis.call('GET', KEYS[4]) == ARGV[1] then redis.call('DEL', KEYS[4]) end
return 1
"""


class RedisReplicas:
    """One replica's place on the roll. `client` is a `redis.asyncio.Redis` that decodes; times are seconds."""

    def __init__(
        self, client: Any, name: str, url: str, *, lease: float = LEASE_SECONDS, grace: float = GRACE_SECONDS
    ) -> None:
        self._client, self._name, self._url = client, name, url
        self._lease, self._grace = lease, grace
        self._owed: dict[str, Mapping[str, str]] = {}  # replicas that went -> their proxies, read once

    async def beat(self, gateways: Sequence[str], proxies: Mapping[str, str] | None, *, leads: bool = True) -> Roll:
        """Say that this replica is here, and return who else is. `proxies` (id -> namespace) is None where they are
        the same as before; `leads`: whether it stands for leader. Raises `Transient` while Redis is away."""
        spans = [str(round(seconds * 1000)) for seconds in (self._lease, FORGET_SECONDS, GATEWAY_SECONDS)]
        told = "" if proxies is None else json.dumps(proxies, separators=(",", ":"))
        now, replicas, seen, leader, term = await self._run(
            _BEAT, self._name, self._url, *spans, told, "1" if leads else "0", *gateways
        )
        live, gone = self._sorted(int(now), _pairs(replicas))
        return Roll(
            live=live,
            owed=await self._owed_of(gone),
            gateways={name: (int(now) - int(at)) / 1000 for name, at in _pairs(seen).items()},
            leader=str(leader),
            term=int(term),
        )

    async def leave(self) -> None:
        """Say that this replica goes: its lease and its lead end now, its proxies are owed."""
        await self._run(_LEAVE, self._name, self._url, str(round(self._lease * 1000)))

    def _sorted(self, now: int, replicas: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
        """Return the others that live, and those that went a moment ago."""
        live, gone = {}, []
        for name, text in replicas.items():
            at, _, url = text.partition(" ")
            age = (now - int(at)) / 1000
            if name == self._name:
                continue
            if age <= self._lease:
                live[name] = url
            elif age <= self._lease + self._grace:
                gone.append(name)
        return live, gone

    async def _owed_of(self, gone: Sequence[str]) -> dict[str, str]:
        owed: dict[str, str] = {}
        for name in gone:
            if name not in self._owed:
                text = await self._guard(self._client.hget(KEYS[1], name))
                self._owed[name] = json.loads(text) if text else {}
            owed.update(self._owed[name])
        self._owed = {name: proxies for name, proxies in self._owed.items() if name in gone}
        return owed

    async def _run(self, script: str, *arguments: str) -> Any:
        return await self._guard(self._client.eval(script, len(KEYS), *KEYS, *arguments))

    @staticmethod
    async def _guard(operation: Any) -> Any:
        from redis.exceptions import RedisError

        try:
            return await operation
        except (RedisError, OSError, TimeoutError) as error:
            raise Transient(f"the mesh's store (Redis) does not answer: {error}", retry_after=1.0) from error


def _pairs(flat: Sequence[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
