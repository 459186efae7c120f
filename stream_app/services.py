"""Waiting for Kafka and Redis when a process starts before they answer."""

import stamina
import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from stream_app.settings import Settings, kafka_options

log = structlog.get_logger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 5.0


class ServiceUnavailableError(Exception):
    """Kafka or Redis does not answer; says where, and which setting names it."""


async def await_services(settings: Settings, patience_s: float) -> None:
    """Come back when Kafka and Redis answer; each retry is a log line.

    Raises
    ------
    ServiceUnavailableError
        One of them did not within ``patience_s``.
    """
    stamina.instrumentation.set_on_retry_hooks([])
    attempts = stamina.retry_context(
        on=ServiceUnavailableError,
        attempts=None if patience_s else 1,
        timeout=patience_s or None,
        wait_initial=FIRST_WAIT_S,
        wait_max=LONGEST_WAIT_S,
    )
    async for attempt in attempts:
        with attempt:
            if attempt.num > 1:
                log.info("waiting for Kafka and Redis", attempt=attempt.num)
            await _ask_kafka(settings)
            await _ask_redis(settings)


async def _ask_kafka(settings: Settings) -> None:
    admin = AIOKafkaAdminClient(**kafka_options(settings))
    try:
        await admin.start()
    except (KafkaConnectionError, NodeNotReadyError, OSError) as fault:
        raise ServiceUnavailableError(
            f"Kafka does not answer at {settings.brokers}: start it, or set BESS_BROKERS"
        ) from fault
    finally:
        await admin.close()


async def _ask_redis(settings: Settings) -> None:
    try:
        client = Redis.from_url(settings.redis_url.get_secret_value())
    except ValueError as fault:
        raise ServiceUnavailableError(f"BESS_REDIS_URL: {fault}") from fault
    async with client as redis:
        try:
            await redis.ping()
        except (RedisConnectionError, OSError) as fault:
            raise ServiceUnavailableError(
                f"Redis does not answer ({fault}): start it, or set BESS_REDIS_URL"
            ) from fault
