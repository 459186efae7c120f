"""What the doctor knows of a deployment, as plain values. Times and ages in seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stream_app.group import Group
from stream_app.topics import TopicState


@dataclass(frozen=True)
class InternalTopic:
    """A topic of the brokers' own, or how they would make it.

    Attributes
    ----------
    made
        False before the first group or transaction, and where this user may not see it.
    replicas, in_sync
        Fewest of a partition.
    setting
        Setting of the brokers that says how many replicas it is made with.
    config
        Settings in force; none where the brokers do not tell them.
    """

    name: str
    made: bool
    replicas: int
    in_sync: int
    setting: str
    config: Mapping[str, str | None]


@dataclass(frozen=True)
class KafkaFacts:
    """What the brokers say.

    Attributes
    ----------
    where
        Bootstrap servers.
    brokers, controller
        Count of brokers, and the controller's id; negative where there is none.
    transaction_max_ms
        Longest time-out of a transaction that the brokers allow [ms]; None: not known.
    internal
        Where the brokers keep the offsets of groups and the outcome of transactions.
    newest_s
        How far the newest record of the state topic lies ahead of this machine's clock.
    """

    where: str
    brokers: int
    controller: int
    transaction_max_ms: int | None
    topics: Sequence[TopicState]
    group: Group
    internal: Sequence[InternalTopic] = ()
    newest_s: float | None = None


@dataclass(frozen=True)
class RedisFacts:
    """What Redis says. Memory in bytes; ``maxmemory`` 0: no limit.

    ``last_write_ok`` is False when Redis could not save; ``ahead_s`` is its clock less ours.
    """

    version: tuple[int, ...]
    policy: str | None
    append_only: bool
    snapshots: bool
    last_write_ok: bool
    used: int
    maxmemory: int
    evicted: int
    replica: bool
    latency_s: float
    ahead_s: float


@dataclass(frozen=True)
class Log:
    """A partition of a topic: its first offset, and the ends of all and of committed records.

    ``open_s``: for how long at least a transaction has held the two ends apart, None if none does.
    """

    first: int
    end: int
    stable: int
    open_s: float | None = None


@dataclass(frozen=True)
class PartitionFacts:
    """A partition in Kafka and in Redis.

    Attributes
    ----------
    telemetry, state
        The partition of the two topics.
    committed
        Next offset that the consumer group has committed, None where it has none.
    shown, folded
        Changelog position that Redis shows, and next telemetry offset to fold, by Redis or, where
        that shows less, by the changelog; None: nothing.
    damage
        What is wrong with the states in Redis: a checksum, some are missing, or the place is taken.
    another
        Whether the changelog has something else where Redis says that its position is.
    keys
        Telemetry keys of which Redis has states; none where they are damaged.
    """

    number: int
    telemetry: Log
    state: Log
    committed: int | None = None
    shown: int | None = None
    folded: int | None = None
    damage: str | None = None
    another: bool = False
    keys: frozenset[str] = frozenset()


@dataclass(frozen=True)
class EventClock:
    """Of a telemetry key the furthest event clock: whose, and how far ahead of this machine's."""

    key: str
    of: str
    ahead_s: float


@dataclass(frozen=True)
class Facts:
    """All of it; a service that does not answer is None, and its trouble says why.

    ``remarks``: what of the environment and of the settings file is no setting.
    """

    remarks: Sequence[str] = ()
    kafka: KafkaFacts | None = None
    redis: RedisFacts | None = None
    partitions: Sequence[PartitionFacts] = ()
    trouble: Mapping[str, str] = field(default_factory=dict)
    clocks: Sequence[EventClock] = ()
