"""Waiting while Redis cannot take a write; what waits is safe in Kafka."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from redis.exceptions import (
    BusyLoadingError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 1.0
REMEDY = "start it, let it take writes, or set BESS_REDIS_URL"

_PASSING = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    OutOfMemoryError,
    OSError,
)
_PASSING_TEXTS = ("OOM command", "MISCONF", "READONLY", "CLUSTERDOWN", "NOREPLICAS", "UNKILLABLE")

T = TypeVar("T")
log = structlog.get_logger(__name__)


def passes(error: Exception) -> bool:
    """Whether Redis may take the same command later: it is gone, starting, full or read-only."""
    told = isinstance(error, ResponseError) and any(text in str(error) for text in _PASSING_TEXTS)
    return told or isinstance(error, _PASSING)


class Outage:
    """Whether Redis keeps anyone waiting; ``why`` says so in words, None when it does not."""

    def __init__(self) -> None:
        self.why: str | None = None
        self.silence: str | None = None
        """Why Redis did not answer when nobody waited for it; None when it did."""
        self._since = 0.0

    async def outlast(self, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat ``call`` until Redis takes it; it must be safe to repeat.

        Raises
        ------
        RedisError
            A refusal that waiting does not change.
        """
        wait = FIRST_WAIT_S
        while True:
            try:
                result = await call()
            except (RedisError, OSError) as error:
                if not passes(error):
                    raise
                self._begin(error)
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT_S)
            else:
                self._end()
                return result

    def _begin(self, error: Exception) -> None:
        if self.why is None:
            self._since = time.monotonic()
            log.warning("waiting for Redis, nothing is lost", error=str(error), remedy=REMEDY)
        self.why = f"Redis takes no writes ({error}): {REMEDY}; the worker waits, nothing is lost"

    def _end(self) -> None:
        if self.why is not None:
            self.why = None
            log.info("Redis is back", seconds=round(time.monotonic() - self._since, 1))
