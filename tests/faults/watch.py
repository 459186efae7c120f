"""How long processing stood still."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.topics import TELEMETRY
from stream_app.settings import Settings, kafka_options

PERIOD_S = 0.1
ANSWER_S = 5.0


@dataclass
class Watch:
    """Samples the group's offsets.

    A partition stands still from the moment at which it was last seen to move, or had nothing to
    do, until it moves again; a broker that does not answer is no excuse.

    Attributes
    ----------
    pause_s
        The longest time that a partition stood still.
    committed, ends
        Newest offsets seen, by partition.
    """

    settings: Settings
    pause_s: float = 0.0
    committed: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    _moved: dict[int, float] = field(default_factory=dict)

    @property
    def folded(self) -> int:
        """Records that the group has committed."""
        return sum(self.committed.values())

    @property
    def behind(self) -> int:
        """Records that it has not."""
        return sum(self.ends.values()) - self.folded

    def standing_s(self) -> float:
        """How long the partition that has waited longest has stood still until now."""
        waiting = [n for n, end in self.ends.items() if self.committed.get(n, 0) < end]
        return max((time.monotonic() - self._moved[n] for n in waiting), default=0.0)

    def take_pause(self) -> float:
        """The longest time since this was last asked; what still stands counts until now."""
        longest, self.pause_s = max(self.pause_s, self.standing_s()), 0.0
        return longest

    async def look(self) -> None:
        """Watch until cancelled."""
        while True:
            with suppress(KafkaError, TimeoutError, OSError):
                await self._ask()
            await asyncio.sleep(PERIOD_S)

    async def _ask(self) -> None:
        options = kafka_options(self.settings)
        admin = AIOKafkaAdminClient(**options, request_timeout_ms=int(ANSWER_S * 1000))
        consumer = AIOKafkaConsumer(**options, group_id=None, enable_auto_commit=False)
        name = TELEMETRY.name(self.settings.prefix)
        tps = [TopicPartition(name, number) for number in range(self.settings.partitions)]
        try:
            await asyncio.wait_for(asyncio.gather(admin.start(), consumer.start()), ANSWER_S)
            while True:
                async with asyncio.timeout(ANSWER_S):
                    ends = await consumer.end_offsets(tps)
                    offsets = await admin.list_consumer_group_offsets(self.settings.app_id)
                found = {tp.partition: at.offset for tp, at in offsets.items() if tp.topic == name}
                self._note({tp.partition: end for tp, end in ends.items()}, found)
                await asyncio.sleep(PERIOD_S)
        finally:
            await consumer.stop()
            await admin.close()

    def _note(self, ends: Mapping[int, int], committed: Mapping[int, int]) -> None:
        now = time.monotonic()
        for number, end in ends.items():
            at, before = committed.get(number, 0), self.committed.get(number, 0)
            if at > before:
                self.pause_s = max(self.pause_s, now - self._moved.get(number, now))
            if at > before or at >= end or number not in self._moved:
                self._moved[number] = now
            self.committed[number], self.ends[number] = at, end
