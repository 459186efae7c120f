"""Every metric, declared once: name, kind, unit, labels, help, and for histograms the buckets.

Base units throughout: watts, joules, seconds, ratios from 0 to 1. + is discharge.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from stream_app.metrics.metric import Metric
from stream_app.metrics.of_batteries import BATTERIES
from stream_app.metrics.of_meters import METERS

_ENCLOSURE = ("site", "block", "enclosure")
_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)

DC_POWER = Metric(
    "bess_enclosure_dc_power_watts",
    "gauge",
    "W",
    _ENCLOSURE,
    "Newest DC power of the enclosure: its share of its input; + is discharge.",
)
DISCHARGED = Metric(
    "bess_enclosure_energy_discharged_joules_total",
    "counter",
    "J",
    _ENCLOSURE,
    "DC energy discharged since the integrator began.",
)
CHARGED = Metric(
    "bess_enclosure_energy_charged_joules_total",
    "counter",
    "J",
    _ENCLOSURE,
    "DC energy charged since the integrator began.",
)
COVERAGE = Metric(
    "bess_enclosure_coverage_ratio",
    "gauge",
    "ratio",
    _ENCLOSURE,
    "Part of the local day, up to the newest folded sample, in which the power is known.",
)
LAST_SAMPLE = Metric(
    "bess_block_last_sample_timestamp_seconds",
    "gauge",
    "s",
    ("site", "block"),
    "Event time of the newest sample of the power block, Unix seconds.",
)
ACTIVE_INPUTS = Metric(
    "bess_alarm_active_inputs",
    "gauge",
    "inputs",
    ("site", "rule"),
    "DC inputs for which the alarm rule stands raised.",
)

RECORDS = Metric(
    "bess_pipeline_records_total", "counter", "records", (), "Telemetry records read and committed."
)
MESSAGES = Metric(
    "bess_pipeline_messages_total",
    "counter",
    "messages",
    (),
    "Messages folded; neighbouring records of a power block with the same inputs make one message.",
)
SAMPLES = Metric(
    "bess_pipeline_samples_total",
    "counter",
    "samples",
    (),
    "Samples folded: of power, values; of batteries and meters, rows.",
)
LATE = Metric(
    "bess_pipeline_late_samples_total",
    "counter",
    "samples",
    (),
    "Samples that came after their time was settled; they are in the too-late topic.",
)
DEAD_LETTERS = Metric(
    "bess_pipeline_dead_letters_total",
    "counter",
    "records",
    ("reason",),
    "Records refused, by class of reason; their bytes are in the dead-letter topic.",
)
RATE_LIMITED = Metric(
    "bess_pipeline_dead_letters_rate_limited_total",
    "counter",
    "records",
    (),
    "Records refused and counted, but not published: too many in one stretch of offsets.",
)
COMMITS = Metric(
    "bess_pipeline_commits_total",
    "counter",
    "commits",
    (),
    "Chunks committed.",
)
BATCH = Metric(
    "bess_pipeline_batch_records",
    "histogram",
    "records",
    (),
    "Records in a committed chunk.",
    (1, 10, 100, 1_000, 10_000),
)
FOLD = Metric(
    "bess_pipeline_fold_seconds",
    "histogram",
    "s",
    (),
    "Time to decode a chunk, fold it and encode its results.",
    _SECONDS,
)
COMMIT = Metric(
    "bess_pipeline_commit_seconds",
    "histogram",
    "s",
    (),
    "Time of the Kafka transaction of a chunk.",
    _SECONDS,
)
FLUSH = Metric(
    "bess_pipeline_state_flush_seconds",
    "histogram",
    "s",
    (),
    "Time to bring the state of a chunk to Redis.",
    _SECONDS,
)
LAG = Metric(
    "bess_pipeline_lag_records",
    "gauge",
    "records",
    ("partition",),
    "Telemetry records of the partition that are not yet committed.",
)
EVENT_DELAY = Metric(
    "bess_pipeline_event_time_delay_seconds",
    "gauge",
    "s",
    ("partition",),
    "Wall clock less the newest event time of the last committed chunk; large in a replay.",
)
PARTITIONS = Metric(
    "bess_pipeline_assigned_partitions",
    "gauge",
    "partitions",
    (),
    "Partitions owned.",
)
RECOVERIES = Metric(
    "bess_pipeline_recoveries_total",
    "counter",
    "partitions",
    (),
    "Partitions whose state was taken over, at start or after a rebalance.",
)
REVOCATIONS = Metric(
    "bess_pipeline_revocations_total",
    "counter",
    "partitions",
    (),
    "Partitions given up.",
)
RESTORED = Metric(
    "bess_pipeline_restored_keys_total",
    "counter",
    "keys",
    (),
    "Keys of state restored.",
)
RECOVERY_SECONDS = Metric(
    "bess_pipeline_recovery_seconds_total", "counter", "s", (), "Time spent in recoveries."
)
REBUILDS = Metric(
    "bess_pipeline_view_rebuilds_total",
    "counter",
    "partitions",
    (),
    "Partitions whose state in Redis was missing or not to be believed, built anew from the "
    "changelog.",
)
MENDED = Metric(
    "bess_pipeline_view_mismatches_total",
    "counter",
    "states",
    (),
    "States in Redis that were lost or differed from the changelog, and were put right.",
)
OFFSETS_DIFFER = Metric(
    "bess_pipeline_offset_mismatches_total",
    "counter",
    "partitions",
    (),
    "Take-overs where the offset of the consumer group was not where the state stands.",
)
LOST = Metric(
    "bess_pipeline_lost_records_total",
    "counter",
    "records",
    (),
    "Telemetry records that the broker deleted before they were folded.",
)
SUSPENDED = Metric(
    "bess_pipeline_suspended_partitions",
    "gauge",
    "partitions",
    (),
    "Partitions that wait for a person's decision; /readyz says which.",
)
KAFKA_UP = Metric(
    "bess_pipeline_kafka_up",
    "gauge",
    "bool",
    (),
    "1 when Kafka answered the last question, else 0: the worker waits and loses nothing.",
)
REDIS_UP = Metric(
    "bess_pipeline_redis_up",
    "gauge",
    "bool",
    (),
    "1 when Redis took the last command, else 0: the worker waits and loses nothing.",
)
BUILD = Metric(
    "bess_build_info", "gauge", "1", ("version", "python"), "Version of the program; always 1."
)

LIVE: tuple[Metric, ...] = (
    DC_POWER,
    DISCHARGED,
    CHARGED,
    COVERAGE,
    LAST_SAMPLE,
    ACTIVE_INPUTS,
    *BATTERIES,
    *METERS,
)
PIPELINE: tuple[Metric, ...] = (
    RECORDS,
    MESSAGES,
    SAMPLES,
    LATE,
    DEAD_LETTERS,
    RATE_LIMITED,
    COMMITS,
    BATCH,
    FOLD,
    COMMIT,
    FLUSH,
    LAG,
    EVENT_DELAY,
    PARTITIONS,
    RECOVERIES,
    REVOCATIONS,
    RESTORED,
    RECOVERY_SECONDS,
    REBUILDS,
    MENDED,
    OFFSETS_DIFFER,
    LOST,
    SUSPENDED,
    KAFKA_UP,
    REDIS_UP,
    BUILD,
)
CATALOGUE: tuple[Metric, ...] = LIVE + PIPELINE


def counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    """Register a counter of the catalogue."""
    return Counter(metric.name, metric.help, metric.labels, registry=registry)


def gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    """Register a gauge of the catalogue."""
    return Gauge(metric.name, metric.help, metric.labels, registry=registry)


def histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    """Register a histogram of the catalogue."""
    return Histogram(
        metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets
    )
