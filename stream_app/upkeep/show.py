"""Finding enclosures in Redis, and how far behind the telemetry their partition is."""

from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from schemas.topics import TELEMETRY
from stream_app.codec.state import restore
from stream_app.engine.position import Position, behind
from stream_app.engine.view import DamagedViewError, RedisView
from stream_app.keys import subject_of, telemetry_key
from stream_app.reading import StreamError, open_topics
from stream_app.settings import Settings, kafka_options
from stream_app.upkeep.look import EnclosureState, enclosures, matches
from stream_app.upkeep.stores import UpkeepError, open_view


@dataclass(frozen=True)
class Found:
    """An enclosure and where its state is.

    Attributes
    ----------
    partition, changelog, folded
        Partition, changelog position that Redis shows, next telemetry offset to fold.
    lag
        Telemetry offsets that are not folded yet; None: Kafka was not asked or does not answer.
    """

    enclosure: EnclosureState
    partition: int
    changelog: int | None
    folded: int
    lag: int | None = None

    def place(self) -> dict[str, Any]:
        """Where the state is, for programs."""
        return {
            "partition": self.partition,
            "changelog_offset": self.changelog,
            "next_telemetry_offset": self.folded,
            "lag": self.lag,
        }


async def find(settings: Settings, asked: str) -> list[Found]:
    """Enclosures with an id, or ``site/id``; the same id may be used in several sites.

    Raises
    ------
    UpkeepError
        Redis does not answer, or a partition of it is damaged.
    """
    topic = TELEMETRY.name(settings.prefix)
    found: list[tuple[int, Position, EnclosureState]] = []
    async with open_view(settings) as view:
        for number in range(settings.partitions):
            position, states = await _read(view, number)
            found += [
                (number, position, each)
                for key, state in states.items()
                if subject_of(telemetry_key(key)) == "block"
                for each in _enclosures(key, state)
                if matches(each, asked)
            ]
    ends = await telemetry_ends(settings, sorted({number for number, _, _ in found}))
    return [_found(number, position, each, topic, ends) for number, position, each in found]


def _found(
    number: int, position: Position, each: EnclosureState, topic: str, ends: dict[int, int]
) -> Found:
    folded = position.offsets.get(topic, 0)
    lag = behind(folded, ends[number]) if number in ends else None
    return Found(each, number, position.changelog, folded, lag)


async def _read(view: RedisView, number: int) -> tuple[Position, dict[bytes, bytes]]:
    try:
        return await view.read(number)
    except DamagedViewError as damage:
        raise UpkeepError(f"{damage}: see `bess state scrub`") from damage


def _enclosures(key: bytes, state: bytes) -> list[EnclosureState]:
    try:
        return list(enclosures(restore(state)))
    except ValueError as fault:
        raise UpkeepError(f"state of {key.decode(errors='replace')}: {fault}") from fault


async def telemetry_ends(settings: Settings, numbers: list[int]) -> dict[int, int]:
    """Ends of telemetry partitions; none where Kafka does not tell."""
    topic = TELEMETRY.name(settings.prefix)
    if not numbers:
        return {}
    try:
        async with open_topics(kafka_options(settings)) as topics:
            tps = [TopicPartition(topic, number) for number in numbers]
            ends = await topics.ends(tps, open_too=False)
    except (StreamError, KafkaError, OSError):
        return {}
    return {tp.partition: end for tp, end in ends.items()}
