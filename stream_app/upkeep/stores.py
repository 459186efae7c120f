"""Where the states are: the changelog in Kafka, and Redis that shows it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from redis.asyncio import Redis
from redis.exceptions import RedisError

from schemas.topics import STATE, TELEMETRY
from stream_app.engine.changelog import read_groups
from stream_app.engine.position import POSITION_KEY, Position, decode_position
from stream_app.engine.view import RedisView
from stream_app.group import describe_group
from stream_app.reading import Topics, open_topics
from stream_app.settings import Settings, kafka_options, redis_options

REDIS_S = 10.0


class UpkeepError(Exception):
    """What is asked for cannot be done; says why and what to do."""


@dataclass(frozen=True)
class Kept:
    """A partition at one position."""

    position: Position
    states: Mapping[bytes, bytes]


@dataclass(frozen=True)
class Stores:
    """Changelog and Redis of a deployment."""

    settings: Settings
    topics: Topics
    view: RedisView

    @property
    def client(self) -> dict[str, Any]:
        """Options of every aiokafka client."""
        return kafka_options(self.settings)

    @property
    def numbers(self) -> range:
        """All partitions."""
        return range(self.settings.partitions)

    def state(self, number: int) -> TopicPartition:
        return TopicPartition(STATE.name(self.settings.prefix), number)

    def telemetry(self, number: int) -> TopicPartition:
        return TopicPartition(TELEMETRY.name(self.settings.prefix), number)

    async def require_idle(self) -> None:
        """Refuse to go on while workers run.

        Raises
        ------
        UpkeepError
            The consumer group has members.
        """
        group = await describe_group(self.topics.admin, self.settings.app_id)
        if group.members:
            raise UpkeepError(
                f"{group.members} workers are in group {group.name}: stop them first (one that was "
                "killed, or has a BESS_INSTANCE, leaves "
                f"{self.settings.session_timeout_s:g} s after its end)"
            )

    async def changelog(self, number: int, until: int | None = None) -> Kept:
        """A partition as the changelog has it, up to its end or before the offset ``until``."""
        tp = self.state(number)
        if until is None:
            until = (await self.topics.ends([tp], open_too=True))[tp]
        kept, states = Position(), dict[bytes, bytes]()
        async for position, changed in read_groups(self.client, tp, Position(), until):
            kept = position
            states |= changed
        return Kept(kept, states)

    async def confirms(self, number: int, position: Position) -> bool | None:
        """Whether the changelog has just this position at its place; None: it is compacted away."""
        at = (position.changelog or 0) - 1
        record = await self.topics.first_from(self.state(number), at) if at >= 0 else None
        if record is None or record.offset != at or record.key != POSITION_KEY:
            return None
        return decode_position(record.value, at + 1) == position

    async def changed_since(self, number: int, since: Position, until: int) -> set[bytes]:
        """Keys of the states that the changelog has between a position and an offset."""
        keys = set[bytes]()
        if since.changelog is not None and since.changelog < until:
            groups = read_groups(self.client, self.state(number), since, until)
            async for _, changed in groups:
                keys |= changed.keys()
        return keys


@asynccontextmanager
async def open_view(settings: Settings) -> AsyncIterator[RedisView]:
    """Connect to Redis.

    Raises
    ------
    UpkeepError
        Redis does not answer, or refuses.
    """
    options = redis_options(settings)
    client = Redis.from_url(**options, socket_timeout=REDIS_S, socket_connect_timeout=REDIS_S)
    async with client as redis:
        try:
            await redis.ping()
            yield RedisView(redis, settings.app_id)
        except (RedisError, OSError) as fault:
            raise UpkeepError(
                f"Redis: {fault}; start it, or set BESS_REDIS_URL, BESS_REDIS_PASSWORD"
            ) from fault


@asynccontextmanager
async def open_stores(settings: Settings) -> AsyncIterator[Stores]:
    """Connect to Kafka and Redis.

    Raises
    ------
    UpkeepError
        Redis does not answer.
    StreamError
        Kafka does not answer, or refuses.
    """
    async with open_topics(kafka_options(settings)) as topics, open_view(settings) as view:
        yield Stores(settings, topics, view)
