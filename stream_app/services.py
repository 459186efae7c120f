"""Waiting for Kafka and Redis when a process starts before they answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Literal

import stamina
import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from stream_app.settings import Settings, kafka_options, redis_options

log = structlog.get_logger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 5.0
ANSWER_S = 10.0
"""A service that takes longer than this to answer does not."""
TOLD_AGAIN_S = 60.0

Service = Literal["Kafka", "Redis"]
SERVICES: tuple[Service, ...] = ("Kafka", "Redis")
Silent = Mapping[Service, str]
"""Of the services those that do not answer, with where they were asked and the remedy."""
OnAsked = Callable[[Silent], None]


class ServiceUnavailableError(Exception):
    """Kafka or Redis does not answer; says where, and which setting names it."""


async def await_services(
    settings: Settings,
    patience_s: float | None,
    on_asked: OnAsked | None = None,
    names: Collection[Service] = SERVICES,
) -> None:
    """Come back when Kafka and Redis answer; the log says what is waited for.

    Parameters
    ----------
    patience_s
        How long to wait; None: without end, 0: ask once.
    on_asked
        Told after each time that they were asked.
    names
        Those that are needed.

    Raises
    ------
    ServiceUnavailableError
        One of them did not answer within ``patience_s``.
    """
    stamina.instrumentation.set_on_retry_hooks([])
    told = _Told()
    attempts = stamina.retry_context(
        on=ServiceUnavailableError,
        attempts=1 if patience_s == 0 else None,
        timeout=patience_s or None,
        wait_initial=FIRST_WAIT_S,
        wait_max=LONGEST_WAIT_S,
    )
    async for attempt in attempts:
        with attempt:
            silent = await _ask(settings, names)
            if on_asked is not None:
                on_asked(silent)
            if silent:
                if patience_s != 0:
                    told.waiting(silent)
                raise ServiceUnavailableError("\n".join(silent.values()))
    told.over()


class _Told:
    """Log lines on what is waited for: when it changes, and now and then while it does not."""

    def __init__(self) -> None:
        self._last: Silent = {}
        self._at = 0.0

    def waiting(self, silent: Silent) -> None:
        if silent.keys() != self._last.keys() or time.monotonic() - self._at > TOLD_AGAIN_S:
            self._at = time.monotonic()
            log.warning("waiting for Kafka and Redis", silent=list(silent.values()))
        self._last = silent

    def over(self) -> None:
        if self._last:
            log.info("Kafka and Redis answer")


async def _ask(settings: Settings, names: Collection[Service]) -> Silent:
    asked = {name: ask for name, ask in _ASKED.items() if name in names}
    found = await asyncio.gather(*(ask(settings) for ask in asked.values()))
    return {name: why for name, why in zip(asked, found, strict=True) if why}


async def kafka_silence(settings: Settings) -> str | None:
    """Where Kafka was asked in vain, and the remedy; None when it answers."""
    admin = AIOKafkaAdminClient(
        **kafka_options(settings), request_timeout_ms=round(1000 * ANSWER_S)
    )
    try:
        async with asyncio.timeout(ANSWER_S):
            await admin.start()
    except (KafkaError, OSError):
        safe = settings.security_protocol != "PLAINTEXT"
        refuses = ", or TLS or name and password do not fit (BESS_SSL_..., BESS_SASL_...)"
        return (
            f"Kafka does not answer at {settings.brokers}{refuses if safe else ''}: "
            "start it, or set BESS_BROKERS"
        )
    finally:
        await admin.close()
    return None


async def _redis_silence(settings: Settings) -> str | None:
    client = Redis.from_url(
        **redis_options(settings), socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S
    )
    async with client as redis:
        try:
            await redis.ping()
        except AuthenticationError as fault:
            return (
                f"Redis refuses the password ({fault}): set BESS_REDIS_PASSWORD or "
                "BESS_REDIS_PASSWORD_FILE"
            )
        except (RedisError, OSError) as fault:
            return f"Redis does not answer ({fault}): start it, or set BESS_REDIS_URL"
    return None


_ASKED: Mapping[Service, Callable[[Settings], Awaitable[str | None]]] = {
    "Kafka": kafka_silence,
    "Redis": _redis_silence,
}
