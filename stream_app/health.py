"""What a worker observes of itself: lag, Redis, readiness."""

from typing import Any

import faust
from aiokafka.errors import IllegalStateError
from faust.types import TP
from redis.exceptions import RedisError

from stream_app.engine.engine import Engine
from stream_app.metrics import PipelineMetrics

PERIOD_S = 2.0
MARKERS = 1


def obstacle(app: faust.App) -> str | None:
    """Why the worker is not ready; None when it is."""
    if app.rebalancing or not app.tables.actives_ready:
        return "partitions are being taken over"
    return None


async def observe(consumer: Any, engine: Engine, metrics: PipelineMetrics) -> None:
    """Set the lag of each owned partition, and whether Redis answers.

    ``consumer`` is the app's Faust consumer.
    """
    for number, owned in list(engine.partitions.items()):
        for topic in engine.config.sources:
            end = _end(consumer, TP(topic, number))
            if end is not None:
                folded = owned.position.offsets.get(topic, 0)
                # A transaction marker at the end is an offset, but no record to fold.
                lag = 0 if end - folded <= MARKERS else end - folded
                metrics.partition_lag(number, lag)
    try:
        await engine.view.redis.ping()
    except RedisError:
        metrics.redis_up(False)
    else:
        metrics.redis_up(True)


def _end(consumer: Any, tp: TP) -> int | None:
    """End of what may be read of a partition, None while it is not known."""
    try:
        end: int | None = consumer._thread._ensure_consumer().last_stable_offset(tp)  # noqa: SLF001
    except IllegalStateError:
        return None
    return end
