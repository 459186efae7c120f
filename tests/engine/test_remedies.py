"""What the last line of a worker's log tells a person to do."""

import pytest
from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownTopicOrPartitionError,
)
from redis.exceptions import NoPermissionError

from stream_app.engine.publisher import OutcomeUnknownError, TopicLostError
from stream_app.engine.remedies import remedy
from stream_app.engine.view import FencedError, StaleViewError


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FencedError(), "nothing: another worker has taken the partition over"),
        (StaleViewError(3, 10, 9), "nothing: another worker"),
        (ProducerFenced(), "nothing: another worker"),
        (InvalidProducerEpoch(), "nothing: another worker"),
        (MessageSizeTooLargeError(), "bess topics check --repair"),
        (TopicAuthorizationFailedError(), "docs/security.md"),
        (TransactionalIdAuthorizationFailed(), "docs/security.md"),
        (UnknownTopicOrPartitionError(), "bess topics create"),
        (TopicLostError(), "--into-changelog"),
        (NoPermissionError(), "BESS_REDIS_PASSWORD"),
        (OutcomeUnknownError(), "bess doctor"),
        (KafkaConnectionError(), "bess doctor"),
        (TimeoutError(), "bess doctor"),
        (ValueError(), "BessWorkerDown.md"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_the_remedy_goes_by_the_kind_of_error(error: Exception, told: str) -> None:
    assert told in remedy(error)


def test_an_error_that_was_wrapped_is_told_by_its_cause() -> None:
    wrapped = KafkaError()
    wrapped.__cause__ = ProducerFenced()

    assert "another worker" in remedy(wrapped)
