"""Redis as a view of the state that knows which changelog position it shows.

One hash of states and one of positions for each partition; both change in one script, and only if
the view still stands where the writer believes it does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from redis.asyncio import Redis

SLICE = 1000
"""Pairs in one HSET inside the script, well below Lua's stack."""

_SWAP = f"""
local at = redis.call('HGET', KEYS[1], 'cl') or ''
if at ~= ARGV[1] then return at end
local meta = tonumber(ARGV[2])
redis.call('HSET', KEYS[1], unpack(ARGV, 3, 2 + meta))
local i = 3 + meta
while i <= #ARGV do
  local last = math.min(i + {2 * SLICE} - 1, #ARGV)
  redis.call('HSET', KEYS[2], unpack(ARGV, i, last))
  i = last + 1
end
redis.call('HSET', KEYS[1], 'n', redis.call('HLEN', KEYS[2]))
return 'OK'
"""


@dataclass(frozen=True)
class Position:
    """What a partition of the view shows.

    Attributes
    ----------
    changelog
        Next changelog offset to apply, None where the view holds nothing.
    offsets
        Source topic -> next source offset to fold.
    """

    changelog: int | None = None
    offsets: Mapping[str, int] = field(default_factory=dict)


class StaleViewError(Exception):
    """Somebody else has moved the view on, or it lost its newest part."""


class RedisView:
    """States and positions of one app's partitions.

    Parameters
    ----------
    redis
        Client that returns bytes.
    name
        Start of every key; the braces keep a partition's hashes in one cluster slot.
    """

    def __init__(self, redis: Redis, name: str) -> None:
        self.redis, self.name = redis, name
        self._swap = redis.register_script(_SWAP)

    def states_key(self, partition: int) -> str:
        return f"{{{self.name}:{partition}}}:s"

    def position_key(self, partition: int) -> str:
        return f"{{{self.name}:{partition}}}:m"

    async def position(self, partition: int) -> Position:
        """What the view shows of a partition."""
        fields: dict[bytes, bytes] = cast(
            "Any", await self.redis.hgetall(self.position_key(partition))
        )
        if b"cl" not in fields:
            return Position()
        offsets = {k[4:].decode(): int(v) for k, v in fields.items() if k.startswith(b"off:")}
        return Position(int(fields[b"cl"]), offsets)

    async def is_whole(self, partition: int) -> bool:
        """Whether the view has as many states of a partition as when it last moved."""
        count = await self.redis.hget(self.position_key(partition), "n")
        return int(count or 0) == await self.redis.hlen(self.states_key(partition))

    async def load(self, partition: int, keys: Iterable[bytes]) -> dict[bytes, bytes | None]:
        """States of some keys; None where there is none."""
        wanted = list(keys)
        if not wanted:
            return {}
        found = await self.redis.hmget(self.states_key(partition), wanted)
        return dict(zip(wanted, cast("list[bytes | None]", found), strict=True))

    async def load_all(self, partition: int) -> dict[bytes, bytes]:
        """All states of a partition."""
        found = await self.redis.hgetall(self.states_key(partition))
        return cast("dict[bytes, bytes]", found)

    async def swap(
        self,
        partition: int,
        expected: int | None,
        position: Position,
        states: Mapping[bytes, bytes],
    ) -> None:
        """Move a partition of the view from one changelog position to the next.

        Raises
        ------
        StaleViewError
            The view does not stand at ``expected``; nothing was changed.
        """
        meta: list[Any] = ["cl", position.changelog]
        for topic, offset in position.offsets.items():
            meta += [f"off:{topic}", offset]
        pairs = [part for pair in states.items() for part in pair]
        at = "" if expected is None else str(expected)
        keys = [self.position_key(partition), self.states_key(partition)]
        found = await self._swap(keys=keys, args=[at, len(meta), *meta, *pairs])
        if found != b"OK":
            shown = found.decode() or "nothing"
            raise StaleViewError(f"partition {partition} of {self.name} shows {shown}, not {at}")

    async def clear(self, partition: int) -> None:
        """Forget a partition, before it is rebuilt from the start of the changelog."""
        await self.redis.delete(self.states_key(partition), self.position_key(partition))
