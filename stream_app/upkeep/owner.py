"""Writing to a partition's changelog in the place of a worker."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiokafka import TopicPartition

from stream_app.engine.changelog import EPOCH_HEADER
from stream_app.engine.position import (
    OWNER_KEY,
    POSITION_KEY,
    Position,
    encode_owner,
    encode_position,
)
from stream_app.engine.publisher import ExactlyOnce, Produce
from stream_app.engine.view import RedisView


@dataclass(frozen=True)
class Owner:
    """The right to write a partition, taken from whoever had it."""

    changelog: TopicPartition
    _publisher: ExactlyOnce

    async def write(self, states: Mapping[bytes, bytes], position: Position) -> Position:
        """Append states and the position they stand for, in one transaction.

        The consumer group's offsets move with them.

        Parameters
        ----------
        position
            Its epoch is the highest known; where owners are told apart by it, all that has it
            becomes void. Its place in the changelog is not used.

        Returns
        -------
        The position as it stands in the changelog now.
        """
        after = replace(position, epoch=position.epoch + 1 if position.epoch else 0, owner="upkeep")
        number = self.changelog.partition
        source = {TopicPartition(topic, number): at for topic, at in after.offsets.items()}
        last = await self._publisher.publish(list(self._records(states, after)), number, source)
        return replace(after, changelog=last + 1)

    def _records(self, states: Mapping[bytes, bytes], after: Position) -> Iterator[Produce]:
        topic = self.changelog.topic
        headers = ((EPOCH_HEADER, str(after.epoch).encode()),) if after.epoch else ()
        if after.epoch:
            yield Produce(topic, OWNER_KEY, encode_owner(after.epoch, after.owner), headers=headers)
        for key, value in states.items():
            yield Produce(topic, key, value, headers=headers)
        yield Produce(topic, POSITION_KEY, encode_position(after), headers=headers)


@asynccontextmanager
async def owner(
    client: Mapping[str, Any], app_id: str, changelog: TopicPartition
) -> AsyncIterator[Owner]:
    """Take a partition over: its last owner's transaction is ended, and it can begin no other."""
    publisher = ExactlyOnce(client, f"{app_id}-{changelog.partition}", app_id)
    await publisher.start()
    try:
        yield Owner(changelog, publisher)
    finally:
        await publisher.stop()


async def show(
    view: RedisView, number: int, position: Position, states: Mapping[bytes, bytes]
) -> None:
    """Make Redis show a partition as given, whatever it showed."""
    await view.clear(number)
    await view.swap(number, None, position, states, len(states))
