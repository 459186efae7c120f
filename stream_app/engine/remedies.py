"""What a person can do about an error that ends a worker."""

from aiokafka import errors as kafka
from redis import exceptions as redis

from stream_app.engine.publisher import OutcomeUnknownError, TopicLostError
from stream_app.engine.view import FencedError, StaleViewError

_TAKEN_OVER = (
    "nothing: another worker has taken the partition over; if it comes again and again, two fleets "
    "share BESS_PREFIX, two workers share BESS_INSTANCE, or a clock or a machine stands still for "
    "longer than the session"
)
_TOO_LARGE = (
    "bess topics check --repair sets max.message.bytes; the brokers' message.max.bytes and "
    "replica.fetch.max.bytes must allow as much"
)
_NOT_ALLOWED = (
    "give the user of BESS_SASL_USERNAME, or of the certificate, the rights that docs/security.md "
    "lists"
)
_AWAY = (
    "nothing if it stays the only time: the next start waits for Kafka; else look at the brokers, "
    "and at `bess doctor`"
)
_TOPIC_LOST = (
    "nothing of the chunk is committed; stop the workers, keep what Redis has with `bess state "
    "export FILE`, then `bess state import FILE --into-changelog`"
)
_ANY = "docs/runbooks/BessWorkerDown.md, if the next start ends in the same way"

# A kind stands before those it is derived from.
_REMEDIES: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (
        (FencedError, StaleViewError, kafka.ProducerFenced, kafka.InvalidProducerEpoch),
        _TAKEN_OVER,
    ),
    (
        (
            kafka.MessageSizeTooLargeError,
            kafka.RecordListTooLargeError,
            kafka.RecordTooLargeError,
        ),
        _TOO_LARGE,
    ),
    (
        (
            kafka.TopicAuthorizationFailedError,
            kafka.GroupAuthorizationFailedError,
            kafka.ClusterAuthorizationFailedError,
            kafka.TransactionalIdAuthorizationFailed,
            kafka.AuthenticationFailedError,
            kafka.SaslAuthenticationFailed,
        ),
        _NOT_ALLOWED,
    ),
    ((TopicLostError,), _TOPIC_LOST),
    ((kafka.UnknownTopicOrPartitionError,), "bess topics create"),
    (
        (kafka.InvalidTransactionTimeout,),
        "set transaction.max.timeout.ms=60000 or more on the brokers; see `bess doctor`",
    ),
    (
        (redis.AuthenticationError, redis.NoPermissionError),
        "set BESS_REDIS_PASSWORD or BESS_REDIS_PASSWORD_FILE, or give this user of Redis its keys",
    ),
    (
        (
            OutcomeUnknownError,
            kafka.KafkaConnectionError,
            kafka.KafkaTimeoutError,
            TimeoutError,
        ),
        _AWAY,
    ),
)


def remedy(error: BaseException) -> str:
    """What to do about an error, by its kind or that of its cause."""
    cause: BaseException | None = error
    while cause is not None:
        for kinds, text in _REMEDIES:
            if isinstance(cause, kinds):
                return text
        cause = cause.__cause__
    return _ANY
