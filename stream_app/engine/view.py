"""Redis as a view of the state that knows which changelog position it shows.

One hash of states and one of positions for each partition; both change in one script, and only if
the view still stands where the writer believes it does. Each value is sealed with a checksum. Where
another program has put a key of another type in the place of one, the hash is lost.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ResponseError

from stream_app.engine.position import Position, decode_position, encode_position

SLICE = 1000
"""Pairs in one HSET inside the script, well below Lua's stack."""

_OTHER_TYPE = "WRONGTYPE"
"""In what Redis says of a command on a key of another type."""

_SWAP = f"""
for _, key in ipairs(KEYS) do
  local told = redis.pcall('HLEN', key)
  if type(told) == 'table' and string.find(told.err, '{_OTHER_TYPE}') then
    redis.call('DEL', key)
  end
end
local at = redis.call('HGET', KEYS[1], 'cl') or ''
local epoch = redis.call('HGET', KEYS[1], 'epoch') or '0'
if tonumber(epoch) > tonumber(ARGV[4]) then return 'epoch' .. epoch end
if at ~= ARGV[1] then return at end
if ARGV[2] == 'whole' then
  redis.call('DEL', KEYS[1], KEYS[2])
elseif at ~= '' then
  local n = redis.call('HGET', KEYS[1], 'n') or '0'
  if redis.call('HLEN', KEYS[2]) ~= tonumber(n) then return 'damaged' end
end
local meta = tonumber(ARGV[3])
redis.call('HSET', KEYS[1], 'epoch', unpack(ARGV, 4, 3 + meta))
local i = 4 + meta
while i <= #ARGV do
  local last = math.min(i + {2 * SLICE} - 1, #ARGV)
  redis.call('HSET', KEYS[2], unpack(ARGV, i, last))
  i = last + 1
end
return 'OK'
"""


class StaleViewError(Exception):
    """The view does not stand where the writer believes: ``shown`` is its changelog position."""

    def __init__(self, partition: int, shown: int | None, expected: int | None) -> None:
        self.shown = shown
        super().__init__(
            f"partition {partition} shows {_name(shown)} in Redis, not {_name(expected)}"
        )


class FencedError(Exception):
    """Another owner has taken the partition over."""


class DamagedViewError(Exception):
    """A value in Redis is not what was written there, or is missing."""


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
        """Where the view of a partition stands: changelog, source offsets and epoch alone.

        Nowhere, where its key is of another type.
        """
        try:
            return _plain(await self._hash(self.position_key(partition)))
        except ResponseError as error:
            if _OTHER_TYPE in str(error):
                return Position()
            raise

    async def states(self, partition: int) -> dict[bytes, bytes]:
        """All states of a partition.

        Raises
        ------
        DamagedViewError
            A value fails its checksum, there are fewer than when the view last moved, or a key is
            of another type.
        """
        _, states = await self.read(partition)
        return states

    async def read(self, partition: int) -> tuple[Position, dict[bytes, bytes]]:
        """Position and states of a partition at one instant.

        Raises
        ------
        DamagedViewError
            A value fails its checksum, there are fewer than when the view last moved, or a key is
            of another type.
        """
        pipe = self.redis.pipeline(transaction=True)
        pipe.hgetall(self.position_key(partition))
        pipe.hgetall(self.states_key(partition))
        fields, sealed = cast("list[dict[bytes, bytes]]", await self._both(pipe, partition))
        if int(fields.get(b"n", 0)) != len(sealed):
            raise DamagedViewError(
                f"partition {partition} has {len(sealed)} states in Redis, not "
                f"{int(fields.get(b'n', 0))}"
            )
        return _position(fields), {key: unseal(key, value) for key, value in sealed.items()}

    async def keys(self, partition: int) -> list[bytes]:
        """Keys of all states of a partition.

        Raises
        ------
        DamagedViewError
            They are no hash.
        """
        name = self.states_key(partition)
        try:
            return cast("list[bytes]", await cast("Any", self.redis.hkeys(name)))
        except ResponseError as error:
            if _OTHER_TYPE in str(error):
                raise _taken(name) from error
            raise

    async def some(
        self, partition: int, keys: Sequence[bytes]
    ) -> tuple[Position, dict[bytes, bytes]]:
        """Position and some of the states of a partition at one instant; not those that are gone.

        Raises
        ------
        DamagedViewError
            A value fails its checksum, or a key is of another type.
        """
        pipe = self.redis.pipeline(transaction=True)
        pipe.hgetall(self.position_key(partition))
        pipe.hmget(self.states_key(partition), keys)
        answers = await self._both(pipe, partition)
        fields, values = cast("tuple[dict[bytes, bytes], list[bytes | None]]", answers)
        found = {k: unseal(k, v) for k, v in zip(keys, values, strict=True) if v is not None}
        return _position(fields), found

    async def swap(
        self,
        partition: int,
        expected: int | None,
        position: Position,
        states: Mapping[bytes, bytes],
        count: int,
        *,
        whole: bool = False,
    ) -> None:
        """Move a partition of the view from one changelog position to the next.

        Safe to repeat when the answer was lost. With ``whole`` the states replace all others.
        ``count`` says how many the partition has then, those that did not change among them: what
        Redis itself counts would make a loss look right.

        Raises
        ------
        StaleViewError
            The view does not stand at ``expected``; nothing was changed.
        FencedError
            The view is of a later owner.
        DamagedViewError
            The view has lost states; nothing was changed.
        """
        meta: list[Any] = [position.epoch, "cl", position.changelog, "n", count]
        meta += ["position", seal(b"position", encode_position(position))]
        for topic, offset in position.offsets.items():
            meta += [f"off:{topic}", offset]
        pairs = [part for key, value in states.items() for part in (key, seal(key, value))]
        at = "" if expected is None else str(expected)
        keys = [self.position_key(partition), self.states_key(partition)]
        how = "whole" if whole else "part"
        answer: bytes = await self._swap(keys=keys, args=[at, how, len(meta), *meta, *pairs])
        if answer == b"damaged":
            raise DamagedViewError(f"partition {partition} has lost states in Redis")
        if answer.startswith(b"epoch"):
            raise FencedError(f"partition {partition} has an owner of {answer.decode()}")
        shown = None if answer in (b"OK", b"") else int(answer)
        if answer != b"OK" and shown != position.changelog:
            raise StaleViewError(partition, shown, expected)

    async def clear(self, partition: int) -> None:
        """Forget a partition, before it is rebuilt from the start of the changelog."""
        await self.redis.delete(self.states_key(partition), self.position_key(partition))

    async def _both(self, pipe: Pipeline, partition: int) -> list[Any]:
        """Answers of a pipe that asks for the position and for states."""
        answers = await pipe.execute(raise_on_error=False)
        names = self.position_key(partition), self.states_key(partition)
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, Exception):
                raise _taken(name) if _OTHER_TYPE in str(answer) else answer
        return answers

    async def _hash(self, key: str) -> dict[bytes, bytes]:
        return cast("dict[bytes, bytes]", await cast("Any", self.redis.hgetall(key)))


def seal(key: bytes, value: bytes) -> bytes:
    """A value as it stands in Redis: CRC-32 of key and value, then the value."""
    return struct.pack(">I", zlib.crc32(value, zlib.crc32(key))) + value


def unseal(key: bytes, sealed: bytes) -> bytes:
    """The value that was sealed.

    Raises
    ------
    DamagedViewError
        The checksum is another.
    """
    value = sealed[4:]
    if seal(key, value) != sealed:
        raise DamagedViewError(f"{key.decode(errors='replace')} in Redis is damaged")
    return value


def _taken(name: str) -> DamagedViewError:
    return DamagedViewError(f"{name} in Redis is of another type: another program has written it")


def differences(shown: Mapping[bytes, bytes], true: Mapping[bytes, bytes]) -> Iterator[bytes]:
    """Keys whose states differ, or that only one side has."""
    return (key for key in sorted(shown.keys() | true.keys()) if shown.get(key) != true.get(key))


def _position(fields: Mapping[bytes, bytes]) -> Position:
    plain = _plain(fields)
    if plain.changelog is None or b"position" not in fields:
        # Of an earlier version, whose positions had no more than this.
        return plain
    return decode_position(unseal(b"position", fields[b"position"]), plain.changelog)


def _plain(fields: Mapping[bytes, bytes]) -> Position:
    if b"cl" not in fields:
        return Position()
    offsets = {k[4:].decode(): int(v) for k, v in fields.items() if k.startswith(b"off:")}
    return Position(int(fields[b"cl"]), offsets, int(fields.get(b"epoch", 0)))


def _name(position: int | None) -> str:
    return "nothing" if position is None else str(position)
