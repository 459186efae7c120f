"""What a worker observes of itself: lag, Redis, readiness."""

from typing import TYPE_CHECKING

from aiokafka.errors import IllegalStateError
from faust.types import TP
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from stream_app.app import App

PERIOD_S = 2.0


def obstacle(app: "App") -> str | None:
    """Why the worker is not ready; None when it is."""
    if app.rebalancing or not app.tables.actives_ready:
        return "partitions are being taken over"
    return None


async def observe(app: "App") -> None:
    """Set the lag of each owned partition, and whether Redis answers."""
    for number, owned in list(app.engine.partitions.items()):
        for topic in app.engine.config.sources:
            end = _end(app, TP(topic, number))
            if end is not None:
                folded = owned.position.offsets.get(topic, 0)
                app.metrics.partition_lag(number, max(0, end - folded))
    try:
        await app.engine.view.redis.ping()
    except RedisError:
        app.metrics.redis_up(False)
    else:
        app.metrics.redis_up(True)


def _end(app: "App", tp: TP) -> int | None:
    """End of what may be read of a partition, None while it is not known."""
    try:
        end: int | None = app.consumer._thread._ensure_consumer().last_stable_offset(tp)  # noqa: SLF001
    except IllegalStateError:
        return None
    return end
