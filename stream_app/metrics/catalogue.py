"""Every metric, declared once: name, kind, unit, labels, help, and for histograms the buckets.

Base units throughout: watts, joules, seconds, ratios from 0 to 1. + is discharge.
"""

from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


@dataclass(frozen=True)
class Metric:
    """One metric of the contract.

    Attributes
    ----------
    name
        As Prometheus stores it, a counter with its ``_total``.
    unit
        ``W``, ``J``, ``s``, ``ratio``, or what is counted.
    buckets
        Upper bounds of a histogram, in ``unit``.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


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

_SYSTEM = ("site", "system")
_PACK = ("site", "system", "pack")
SOC = Metric(
    "bess_battery_soc_ratio",
    "gauge",
    "ratio",
    _SYSTEM,
    "Newest state of charge of the battery system, as its BMS says.",
)
BATTERY_LAST_SAMPLE = Metric(
    "bess_battery_last_sample_timestamp_seconds",
    "gauge",
    "s",
    _SYSTEM,
    "Event time of the newest row of the battery system, Unix seconds.",
)
SOH = Metric(
    "bess_battery_soh_ratio",
    "gauge",
    "ratio",
    (*_SYSTEM, "source"),
    "State of health at the end of the newest day, of each source that can tell it.",
)
IMBALANCE = Metric(
    "bess_battery_imbalance_volts",
    "gauge",
    "V",
    _SYSTEM,
    "Mean spread of the cell voltages at rest on the newest day.",
)
EVALUABLE = Metric(
    "bess_battery_evaluable",
    "gauge",
    "bool",
    (*_SYSTEM, "indicator", "reason"),
    "1 if the newest data can support the indicator, else 0 and the reason why not.",
)
CELL_V_MIN = Metric(
    "bess_pack_cell_voltage_min_volts",
    "gauge",
    "V",
    _PACK,
    "Lowest cell voltage in the newest row of the pack.",
)
CELL_V_MAX = Metric(
    "bess_pack_cell_voltage_max_volts",
    "gauge",
    "V",
    _PACK,
    "Highest cell voltage in the newest row of the pack.",
)
CELL_C_MAX = Metric(
    "bess_pack_cell_temperature_max_celsius",
    "gauge",
    "degC",
    _PACK,
    "Highest cell temperature in the newest row of the pack.",
)
CELL_V_MEAN = Metric(
    "bess_pack_cell_voltage_mean_volts",
    "gauge",
    "V",
    _PACK,
    "Mean cell voltage in the newest row of the pack.",
)
CELL_V_SPREAD = Metric(
    "bess_pack_cell_voltage_spread_volts",
    "gauge",
    "V",
    _PACK,
    "Highest less lowest cell voltage in the newest row of the pack.",
)
WORST_CELL = Metric(
    "bess_pack_worst_cell",
    "gauge",
    "number",
    _PACK,
    "Number of the cell whose voltage lies furthest from the median in the newest row of the pack.",
)
WORST_CELL_V = Metric(
    "bess_pack_worst_cell_deviation_volts",
    "gauge",
    "V",
    _PACK,
    "Voltage of that cell less the median in the newest row of the pack.",
)
CELL_C_MIN = Metric(
    "bess_pack_cell_temperature_min_celsius",
    "gauge",
    "degC",
    _PACK,
    "Lowest cell temperature in the newest row of the pack.",
)
CELL_C_MEAN = Metric(
    "bess_pack_cell_temperature_mean_celsius",
    "gauge",
    "degC",
    _PACK,
    "Mean cell temperature in the newest row of the pack.",
)
CRITICAL = Metric(
    "bess_pack_critical_cells",
    "gauge",
    "cells",
    _PACK,
    "Cells of the pack of which a condition stands.",
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

BATTERIES: tuple[Metric, ...] = (
    SOC,
    BATTERY_LAST_SAMPLE,
    SOH,
    IMBALANCE,
    EVALUABLE,
    CELL_V_MIN,
    CELL_V_MEAN,
    CELL_V_MAX,
    CELL_V_SPREAD,
    WORST_CELL,
    WORST_CELL_V,
    CELL_C_MIN,
    CELL_C_MEAN,
    CELL_C_MAX,
    CRITICAL,
)
LIVE: tuple[Metric, ...] = (
    DC_POWER,
    DISCHARGED,
    CHARGED,
    COVERAGE,
    LAST_SAMPLE,
    ACTIVE_INPUTS,
    *BATTERIES,
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
