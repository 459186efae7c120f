"""Heartbeats of live blocks and batteries.

Silence is judged in event time. Where a whole block, or a pack of a battery, is silent nothing
moves its clock, so the owner of its partition sends the wall clock as a heartbeat: a record like
any other, the same in a replay.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from faust.exceptions import ProducerSendError

from stream_app.codec.telemetry import encode
from stream_app.core.calendar import DAY_MS
from stream_app.core.messages import Heartbeat
from stream_app.core.stale import Expected
from stream_app.engine.engine import Engine
from stream_app.keys import telemetry_key
from stream_app.metrics import LiveView

log = structlog.get_logger(__name__)

LIVE_MS = DAY_MS
"""What has no sample that is newer, or one so far ahead, is not live but replayed."""


@dataclass(frozen=True)
class Heartbeats:
    """Sends the heartbeats that are due; ``topic`` is the telemetry's Faust topic."""

    engine: Engine
    live: LiveView
    topic: Any
    clock: Callable[[], float] = time.time

    async def __call__(self) -> None:
        """Send one for each block and battery of the worker's partitions that needs it.

        If Kafka does not take them, the next turn has newer ones.
        """
        now_ms = int(self.clock() * 1000)
        value = encode(Heartbeat(now_ms))
        for key, partition in self._due(now_ms).items():
            send: Awaitable[Any] = self.topic.send(
                key=key.encode(), value=value, partition=partition
            )
            try:
                await send
            except ProducerSendError as fault:
                log.warning("a heartbeat was not sent", key=key, error=str(fault))
                return

    def _due(self, now_ms: int) -> Mapping[str, int]:
        """Partition of each key to send for."""
        owned = {
            telemetry_key(key): number
            for number, each in self.engine.partitions.items()
            if number not in self.engine.suspended
            for key in each.states
        }
        keys = due(self.live.expectations(), now_ms)
        return {key: owned[key] for key in keys if key in owned}


def due(expectations: Mapping[str, Expected], now_ms: int) -> list[str]:
    """The keys that need a heartbeat at the wall clock ``now_ms`` [ms UTC].

    Returns
    -------
    Those that are live, of which something has been silent for more than half of the limit.
    """
    return [
        key
        for key, each in expectations.items()
        if now_ms - each.oldest > each.stale_ms / 2 and abs(now_ms - each.newest) <= LIVE_MS
    ]
