"""What Kafka's errors mean to the person who runs a replay."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiokafka.errors import InvalidProducerEpoch, KafkaConnectionError, KafkaError, ProducerFenced

from replay.errors import PublishError


@contextmanager
def explained(kafka: Mapping[str, Any], patience_s: float) -> Iterator[None]:
    """Turn Kafka's errors into sentences with a remedy.

    Raises
    ------
    PublishError
        For an error of Kafka, or no answer for ``patience_s``.
    """
    servers = kafka.get("bootstrap_servers")
    try:
        yield
    except KafkaConnectionError as fault:
        raise PublishError(
            f"no Kafka answers at {servers}; start one, or set BESS_BROKERS to its host:port"
        ) from fault
    except (ProducerFenced, InvalidProducerEpoch) as fault:
        raise PublishError(
            "another run of the same replay has taken over, this one ends"
        ) from fault
    except TimeoutError as fault:
        raise PublishError(
            f"Kafka at {servers} has not answered for {patience_s:g} s; "
            "when it is back, the same command goes on where this one ended"
        ) from fault
    except KafkaError as fault:
        raise PublishError(
            f"Kafka at {servers} refused: {fault}; the same command goes on where this one ended"
        ) from fault


def tell_the_rest(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle what nobody awaited: of Kafka's errors the person has read already.

    A client that is shut out puts the same error on futures of its own that nobody can await.
    """
    if not isinstance(context.get("exception"), KafkaError):
        loop.default_exception_handler(context)
