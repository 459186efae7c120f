"""When each row of a replay is due, and which time it carries."""

import asyncio
import time
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from stream_app.core.energy import Ints

TICK_MS = 1000
"""Rows that are due within so much time may travel together."""

ClockMode = Literal["event", "shift", "now"]


class WallClock(Protocol):
    """What the replay must know of the time of day."""

    def monotonic(self) -> float:
        """Seconds that never step back."""

    def now_ms(self) -> int:
        """Milliseconds UTC."""

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Wait so long, or until the event is set."""


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return


def rows_at_once(block_rows: int, speed: float | None, interval_ms: int) -> int:
    """Rows of a block: all that the block may hold, or those due within a tick at this speed."""
    if speed is None:
        return block_rows
    return max(1, min(block_rows, int(speed * TICK_MS / interval_ms)))


@dataclass(frozen=True)
class Timeline:
    """Event time of the export against the time of the replay.

    Attributes
    ----------
    mode
        ``event``: rows keep their time; ``shift``: all move by ``shift_ms``; ``now``: each has the
        time at which it is due.
    speed
        Event time passes so much faster than real time; None: as fast as it goes.
    first_ms
        Event time of the row with which this run begins [ms UTC].
    started_ms, started
        The run's begin: [ms UTC], and on the monotonic clock [s].
    """

    mode: ClockMode
    speed: float | None
    first_ms: int
    started_ms: int
    started: float
    shift_ms: int = 0

    def published(self, times: Ints) -> Ints:
        """Times that rows carry [ms UTC]."""
        if self.mode == "event":
            return times
        if self.mode == "shift":
            return times + self.shift_ms
        assert self.speed is not None
        elapsed: Ints = ((times - self.first_ms) / self.speed).astype(np.int64)
        return self.started_ms + elapsed

    def moved(self, time_ms: int) -> int:
        """Publish time of one event time [ms UTC]."""
        return int(self.published(np.array([time_ms], dtype=np.int64))[0])

    def due(self, time_ms: int) -> float:
        """Moment at which a row is to be sent, on the monotonic clock [s]."""
        if self.speed is None:
            return self.started
        return self.started + (time_ms - self.first_ms) / 1000 / self.speed
