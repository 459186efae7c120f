"""Waiting for Kafka and Redis when a process starts before they answer."""

import stamina
import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from stream_app.settings import Settings, kafka_options, redis_options

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
        safe = settings.security_protocol != "PLAINTEXT"
        refuses = ", or TLS or name and password do not fit (BESS_SSL_..., BESS_SASL_...)"
        raise ServiceUnavailableError(
            f"Kafka does not answer at {settings.brokers}{refuses if safe else ''}: "
            "start it, or set BESS_BROKERS"
        ) from fault
    finally:
        await admin.close()


async def _ask_redis(settings: Settings) -> None:
    async with Redis.from_url(**redis_options(settings)) as redis:
        try:
            await redis.ping()
        except AuthenticationError as fault:
            raise ServiceUnavailableError(
                f"Redis refuses the password ({fault}): set BESS_REDIS_PASSWORD or "
                "BESS_REDIS_PASSWORD_FILE"
            ) from fault
        except (RedisError, OSError) as fault:
            raise ServiceUnavailableError(
                f"Redis does not answer ({fault}): start it, or set BESS_REDIS_URL"
            ) from fault
