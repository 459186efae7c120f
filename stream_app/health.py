"""What a worker observes of itself: lag, Redis, readiness."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faust.types import TP
from redis.exceptions import RedisError

from stream_app.engine.changelog import reader
from stream_app.engine.engine import Engine
from stream_app.engine.position import behind
from stream_app.engine.source import committed
from stream_app.metrics import PipelineMetrics

log = structlog.get_logger(__name__)

PERIOD_S = 2.0
KAFKA_PERIOD_S = 5.0
SUSPENDED_PERIOD_S = 15.0
LOOP_S = 60.0
STUCK_S = 180.0
"""Longer than a broker takes to give up on a transaction, and than it may be away."""


def obstacle(app: Any) -> str | None:
    """Why the worker is not ready; None when it is."""
    engine: Engine = app.engine
    if app.brokers.silence:
        return f"{app.brokers.silence}; nothing is lost"
    if away := engine.outage.why or engine.outage.silence:
        return away
    if app.progress.namesake is not None:
        return str(app.progress.namesake)
    if app.rebalancing or not app.tables.actives_ready:
        return "partitions are being taken over"
    if engine.suspended:
        return "\n".join(
            f"partition {n} is suspended: {why}" for n, why in sorted(engine.suspended.items())
        )
    return None


class Brokers:
    """Whether Kafka answers: its clients keep trying without end, and say nothing to their users.

    Parameters
    ----------
    ask
        Asks, and gives where that was in vain and the remedy; None when there was an answer.

    Attributes
    ----------
    silence
        What it gave last.
    """

    def __init__(self, ask: Callable[[], Awaitable[str | None]]) -> None:
        self.silence: str | None = None
        self._ask, self._since = ask, 0.0

    async def look(self, metrics: PipelineMetrics) -> None:
        """Ask once more; the log says when the answer is another one."""
        now, silence = time.monotonic(), await self._ask()
        if silence and not self.silence:
            self._since = now
            log.warning("waiting for Kafka, nothing is lost", why=silence)
        elif self.silence and not silence:
            log.info("Kafka is back", seconds=round(time.monotonic() - self._since, 1))
        self.silence = silence
        metrics.kafka_up(silence is None)


class Progress:
    """Whether the worker still moves; ``/healthz`` fails when only a restart can help.

    ``now`` is any clock in seconds that only rises; ``namesake`` says who has this worker's name.
    """

    def __init__(self) -> None:
        self.namesake: str | None = None
        self._beat: float | None = None
        self._moved: dict[int, tuple[int, float]] = {}

    def beat(self, now: float, behind: Mapping[int, int]) -> None:
        """The event loop runs; ``behind`` maps partitions with a lag to their position."""
        self._beat = now
        self._moved = {
            number: self._moved[number]
            if self._moved.get(number, (None,))[0] == position
            else (position, now)
            for number, position in behind.items()
        }

    def fault(self, now: float) -> str | None:
        """What stands still and for how long; None while all moves."""
        if self._beat is not None and now - self._beat > LOOP_S:
            return f"the event loop has not answered for {now - self._beat:.0f} s"
        for number, (position, since) in sorted(self._moved.items()):
            if now - since > STUCK_S:
                return f"partition {number} stands at offset {position} for {now - since:.0f} s"
        return None


async def observe(consumer: Any, engine: Engine, metrics: PipelineMetrics) -> dict[int, int]:
    """Set the lag of each owned partition, and whether Redis answers.

    ``consumer`` is the app's Faust consumer. Gives the position of each partition that should move:
    it has a lag, it is not suspended and Redis does not keep it waiting.
    """
    moving, topic = {}, engine.config.source
    for number, owned in list(engine.partitions.items()):
        end = _end(consumer, TP(topic, number))
        if end is not None:
            folded = owned.position.offsets.get(topic, 0)
            lag = behind(folded, end)
            metrics.partition_lag(number, lag)
            if lag and number not in engine.suspended and engine.outage.why is None:
                moving[number] = folded
    metrics.suspended(len(engine.suspended))
    engine.outage.silence = await _silence(engine)
    metrics.redis_up(engine.outage.why is None and engine.outage.silence is None)
    return moving


async def observe_suspended(engine: Engine, metrics: PipelineMetrics) -> None:
    """Set the lag of each partition that was suspended at its take-over, and is read by nobody."""
    config = engine.config
    tps = [
        TopicPartition(config.source, number)
        for number in sorted(engine.suspended.keys() - engine.partitions.keys())
    ]
    if not tps:
        return
    try:
        async with reader(config.client, "read_committed") as consumer:
            firsts, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        done = await committed(config.client, config.app_id)
    except (KafkaError, OSError) as error:
        log.info("the lag of suspended partitions is not known", error=str(error))
        return
    for tp in tps:
        if tp.partition in engine.suspended:
            lag = waiting(firsts[tp], ends[tp], done.get(TP(*tp)))
            metrics.partition_lag(tp.partition, lag)


def waiting(first: int, end: int, done: int | None) -> int:
    """Records of a partition after those that the group has committed; all where that is no part.

    A topic that was made anew may end before the offset that the group had in the old one.
    """
    return behind(done if done is not None and first <= done <= end else first, end)


async def _silence(engine: Engine) -> str | None:
    try:
        await engine.view.redis.ping()
    except (RedisError, OSError) as error:
        return (
            f"Redis does not answer ({error}): start it, or set BESS_REDIS_URL; "
            "what comes will wait for it, nothing is lost"
        )
    return None


def _end(consumer: Any, tp: TP) -> int | None:
    """End of what may be read of a partition, None while it is not known."""
    try:
        end: int | None = consumer._thread._ensure_consumer().last_stable_offset(tp)  # noqa: SLF001
    except IllegalStateError:
        return None
    return end
