"""The health of a worker's pipeline: what the engine's hall reports after each step."""

import platform
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry

from stream_app.metrics import catalogue
from stream_app.metrics.catalogue import counter, gauge, histogram
from stream_app.metrics.reasons import REASONS, reason_class


class PipelineMetrics:
    """Counters, gauges and histograms of one worker.

    Parameters
    ----------
    registry
        Where the metrics are registered.
    now
        Wall clock [s], for the event-time delay.
    """

    def __init__(self, registry: CollectorRegistry, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._records = counter(catalogue.RECORDS, registry)
        self._messages = counter(catalogue.MESSAGES, registry)
        self._samples = counter(catalogue.SAMPLES, registry)
        self._late = counter(catalogue.LATE, registry)
        self._commits = counter(catalogue.COMMITS, registry)
        dead_letters = counter(catalogue.DEAD_LETTERS, registry)
        self._dead_letters = {reason: dead_letters.labels(reason) for reason in REASONS}
        self._rate_limited = counter(catalogue.RATE_LIMITED, registry)
        self._batch = histogram(catalogue.BATCH, registry)
        self._fold = histogram(catalogue.FOLD, registry)
        self._commit = histogram(catalogue.COMMIT, registry)
        self._flush = histogram(catalogue.FLUSH, registry)
        self._lag = gauge(catalogue.LAG, registry)
        self._delay = gauge(catalogue.EVENT_DELAY, registry)
        self._recoveries = counter(catalogue.RECOVERIES, registry)
        self._revocations = counter(catalogue.REVOCATIONS, registry)
        self._restored = counter(catalogue.RESTORED, registry)
        self._recovery_seconds = counter(catalogue.RECOVERY_SECONDS, registry)
        self._rebuilds = counter(catalogue.REBUILDS, registry)
        self._mended = counter(catalogue.MENDED, registry)
        self._offsets_differ = counter(catalogue.OFFSETS_DIFFER, registry)
        self._lost = counter(catalogue.LOST, registry)
        self._suspended = gauge(catalogue.SUSPENDED, registry)
        self._kafka_up = gauge(catalogue.KAFKA_UP, registry)
        self._redis_up = gauge(catalogue.REDIS_UP, registry)
        self._assigned: set[int] = set()
        assigned = gauge(catalogue.PARTITIONS, registry)
        assigned.set_function(lambda: len(self._assigned))
        gauge(catalogue.BUILD, registry).labels(_version(), platform.python_version()).set(1)

    def chunk_done(
        self,
        partition: int,
        *,
        records: int,
        messages: int,
        samples: int,
        late: int,
        refused: Mapping[str, int],
        rate_limited: int,
        fold_seconds: float,
        commit_seconds: float,
        flush_seconds: float,
        event_time_ms: int | None,
        lost: int = 0,
        mended: int = 0,
    ) -> None:
        """Count a committed chunk.

        Parameters
        ----------
        lost
            Records before it that the broker had deleted unread.
        mended
            States that Redis had lost when it was to be moved on, and were put right.
        refused
            How many records were refused, by reason: the text of the dead letter or its class.
        rate_limited
            How many of them are not published.
        event_time_ms
            Newest event time in the chunk [ms UTC]; None when it held none.
        """
        self._records.inc(records)
        self._messages.inc(messages)
        self._samples.inc(samples)
        self._late.inc(late)
        self._lost.inc(lost)
        self.mended(mended)
        self._commits.inc()
        for reason, count in refused.items():
            self._dead_letters[reason_class(reason)].inc(count)
        self._rate_limited.inc(rate_limited)
        self._batch.observe(records)
        self._fold.observe(fold_seconds)
        self._commit.observe(commit_seconds)
        self._flush.observe(flush_seconds)
        if event_time_ms is not None:
            self._delay.labels(str(partition)).set(self._now() - event_time_ms / 1000)

    def partition_lag(self, partition: int, records: int) -> None:
        """Set how many records of ``partition`` are not yet committed."""
        self._lag.labels(str(partition)).set(records)

    def recovery(self, seconds: float) -> None:
        """Count the time until all assigned partitions were owned."""
        self._recovery_seconds.inc(seconds)

    def recovered(self, partition: int, keys: int, *, rebuilt: bool = False) -> None:
        """Count ``partition`` as taken over, with ``keys`` restored."""
        self._rebuilds.inc(rebuilt)
        self._assigned.add(partition)
        self._recoveries.inc()
        self._restored.inc(keys)

    def revoked(self, partition: int) -> None:
        """Count ``partition`` as given up; its series end."""
        self._assigned.discard(partition)
        self._revocations.inc()
        self._delay.remove(str(partition))
        self.unassigned(partition)

    def unassigned(self, partition: int) -> None:
        """End the lag of ``partition``, which was assigned but perhaps never taken over."""
        self._lag.remove(str(partition))

    def offsets_differ(self) -> None:
        """Count a take-over where the group's offset is not the state's."""
        self._offsets_differ.inc()

    def mended(self, states: int) -> None:
        """Count states that were put right in Redis."""
        self._mended.inc(states)

    def suspended(self, partitions: int) -> None:
        """Set how many partitions wait for a decision."""
        self._suspended.set(partitions)

    def kafka_up(self, up: bool) -> None:
        """Set whether Kafka answered last time."""
        self._kafka_up.set(up)

    def redis_up(self, up: bool) -> None:
        """Set whether Redis answered last time."""
        self._redis_up.set(up)


def _version() -> str:
    try:
        return version("bess-stream")
    except PackageNotFoundError:
        return "unknown"
