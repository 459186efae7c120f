"""The dashboard "BESS Pipeline": is the stream keeping up, and what did it refuse."""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models import units

from deploy.grafana.common import (
    WORKER,
    PanelBuilder,
    Query,
    board,
    graph,
    number,
    quantile,
    rate,
    stacked,
    worker_variables,
)
from stream_app.metrics import archive
from stream_app.metrics.catalogue import (
    BATCH,
    COMMIT,
    COMMITS,
    DEAD_LETTERS,
    EVENT_DELAY,
    FLUSH,
    FOLD,
    KAFKA_UP,
    LAG,
    LATE,
    LOST,
    MENDED,
    MESSAGES,
    OFFSETS_DIFFER,
    PARTITIONS,
    RATE_LIMITED,
    REBUILDS,
    RECORDS,
    RECOVERIES,
    REDIS_UP,
    RESTORED,
    REVOCATIONS,
    SAMPLES,
    SUSPENDED,
)
from stream_app.metrics.metric import Metric

ARCHIVE_JOB = "bess-archive"
"""Prometheus' job of the archive sinks, which are no workers."""
RED_BELOW_1 = [(None, "red"), (1, "green")]
RED_ABOVE_0 = [(None, "green"), (1, "red")]


def dashboard() -> Dashboard:
    """Build it."""
    rows = [
        ("Health", _health()),
        ("Throughput", _throughput()),
        ("Time", _time()),
        ("Refused, late, moved", _exceptions()),
        ("Safety of the state", _safety()),
        ("Archive", _archive()),
        ("Process", _process()),
    ]
    about = "How the workers are: throughput, lag, time for each step, what was refused or late."
    result = board("BESS Pipeline", "bess-pipeline", about, rows)
    for variable in worker_variables():
        result.with_variable(variable)
    return result


def _of(name: str) -> str:
    return f"{name}{{{WORKER}}}"


def _health() -> list[PanelBuilder]:
    return [
        number(
            "Workers up",
            "Workers whose metrics could be read.",
            units.Short,
            Query(f'sum(up{{{WORKER}, job!="{ARCHIVE_JOB}"}})', "up"),
            RED_BELOW_1,
        ),
        number(
            "Kafka and Redis",
            "1 when both answered every worker last time, else 0.",
            units.Short,
            Query(f"min({_of(KAFKA_UP.name)} * {_of(REDIS_UP.name)})", "up"),
            RED_BELOW_1,
        ),
        number(
            "Partitions owned",
            "Partitions of the telemetry topic that some worker owns.",
            units.Short,
            Query(f"sum({_of(PARTITIONS.name)})", "partitions"),
        ),
        number(
            "Lag",
            "Telemetry records in Kafka that are not yet committed.",
            units.Short,
            Query(f"sum({_of(LAG.name)})", "lag"),
        ),
        number(
            "Event-time delay",
            "Wall clock less newest event time of the last chunk, at the partition most behind. "
            "Large while history is replayed.",
            units.Seconds,
            Query(f"max({_of(EVENT_DELAY.name)})", "delay"),
        ),
        number(
            "Dead letters in 1 h",
            "Records refused in the hour before the end of the shown range.",
            units.Short,
            Query(f"sum(increase({_of(DEAD_LETTERS.name)}[1h]))", "dead letters", instant=True),
            [(None, "green"), (1, "orange")],
        ),
    ]


def _throughput() -> list[PanelBuilder]:
    return [
        graph(
            "Records and messages",
            "Telemetry records read and committed, and the messages that were made of them.",
            units.CountsPerSecond,
            Query(rate(RECORDS), "records"),
            Query(rate(MESSAGES), "messages"),
        ),
        graph(
            "Samples",
            "Power samples folded.",
            units.CountsPerSecond,
            Query(rate(SAMPLES), "samples"),
        ),
        graph(
            "Batch size",
            "Records in a chunk: median and 95 % quantile, between the bounds of the histogram.",
            units.Short,
            *_quantiles(BATCH, (0.5, 0.95)),
        ),
        graph(
            "Commits", "Chunks committed.", units.CountsPerSecond, Query(rate(COMMITS), "commits")
        ),
    ]


def _time() -> list[PanelBuilder]:
    return [
        graph(
            "Processing",
            "Time to decode a chunk, fold it and encode its results.",
            units.Seconds,
            *_quantiles(FOLD, (0.5, 0.95, 0.99)),
        ),
        graph(
            "Commit",
            "Time of the Kafka transaction of a chunk.",
            units.Seconds,
            *_quantiles(COMMIT, (0.5, 0.95, 0.99)),
        ),
        graph(
            "State flush",
            "Time to bring the state of a chunk to Redis.",
            units.Seconds,
            *_quantiles(FLUSH, (0.5, 0.95, 0.99)),
        ),
        graph(
            "Lag by partition",
            "Telemetry records in Kafka that are not yet committed.",
            units.Short,
            Query(f"max by (partition) ({_of(LAG.name)})", "{{partition}}"),
        ),
        graph(
            "Event-time delay by partition",
            "Wall clock less newest event time of the last chunk. Large while history is replayed.",
            units.Seconds,
            Query(f"max by (partition) ({_of(EVENT_DELAY.name)})", "{{partition}}"),
        ),
    ]


def _exceptions() -> list[PanelBuilder]:
    moves = {"taken over": RECOVERIES, "given up": REVOCATIONS}
    return [
        stacked(
            "Dead letters",
            "Records refused, by class of reason; their bytes are in the dead-letter topic.",
            units.CountsPerSecond,
            Query(rate(DEAD_LETTERS, "reason"), "{{reason}}"),
            Query(rate(RATE_LIMITED), "of these counted only"),
        ),
        graph(
            "Late samples",
            "Samples that came after their time was settled; they are in the too-late topic.",
            units.CountsPerSecond,
            Query(rate(LATE), "late"),
        ),
        graph(
            "Partitions moved",
            "Partitions taken over and given up in the five minutes before each point in time.",
            units.Short,
            *(Query(_in_5_minutes(metric), name) for name, metric in moves.items()),
        ),
        graph(
            "Keys restored",
            "Keys of state restored in the five minutes before each point in time.",
            units.Short,
            Query(_in_5_minutes(RESTORED), "keys"),
        ),
    ]


def _safety() -> list[PanelBuilder]:
    repairs = {"rebuilt partitions": REBUILDS, "states put right": MENDED}
    return [
        number(
            "Suspended partitions",
            "Partitions that wait for a person's decision; /readyz of the worker says which.",
            units.Short,
            Query(f"sum({_of(SUSPENDED.name)})", "suspended"),
            RED_ABOVE_0,
        ),
        number(
            "Lost in 24 h",
            "Telemetry records that the broker deleted before they were folded.",
            units.Short,
            Query(f"sum(increase({_of(LOST.name)}[24h]))", "lost", instant=True),
            RED_ABOVE_0,
        ),
        number(
            "Offsets that differed in 24 h",
            "Take-overs where the offset of the consumer group was not where the state stands.",
            units.Short,
            Query(f"sum(increase({_of(OFFSETS_DIFFER.name)}[24h]))", "take-overs", instant=True),
            RED_ABOVE_0,
        ),
        graph(
            "Redis repaired",
            "In the five minutes before each point in time: partitions rebuilt from the changelog, "
            "and states in Redis that differed from it.",
            units.Short,
            *(Query(_in_5_minutes(metric), name) for name, metric in repairs.items()),
        ),
    ]


def _archive() -> list[PanelBuilder]:
    return [
        number(
            "Archive lag",
            "Records of results that are in no Parquet file yet, about; up to some minutes of them "
            "wait for their file.",
            units.Short,
            Query(f"sum({_of(archive.LAG.name)})", "lag"),
        ),
        number(
            "Lost to the archive in 24 h",
            "Offsets that the broker deleted before they were archived.",
            units.Short,
            Query(_in_a_day(archive.LOST), "lost", instant=True),
            RED_ABOVE_0,
        ),
        number(
            "Files in 24 h",
            "Parquet files written, less the small ones that were merged into others.",
            units.Short,
            Query(
                f"{_in_a_day(archive.FILES)} - {_in_a_day(archive.MERGED)}", "files", instant=True
            ),
        ),
        graph(
            "Archived",
            "Records of results written to Parquet files.",
            units.CountsPerSecond,
            Query(rate(archive.RECORDS), "records"),
        ),
        graph(
            "Archived bytes",
            "Bytes of Parquet written.",
            units.BytesPerSecondIEC,
            Query(rate(archive.BYTES), "bytes"),
        ),
    ]


def _in_a_day(metric: Metric) -> str:
    return f"sum(increase({_of(metric.name)}[24h]))"


def _process() -> list[PanelBuilder]:
    cpu = _of("process_cpu_seconds_total")
    return [
        graph(
            "Memory",
            "Resident memory of each worker.",
            units.BytesIEC,
            Query(_of("process_resident_memory_bytes"), "{{instance}}"),
        ),
        graph(
            "CPU",
            "Processor time of each worker; 100 % is one core.",
            units.PercentUnit,
            Query(f"sum by (instance) (rate({cpu}[$__rate_interval]))", "{{instance}}"),
        ),
    ]


def _quantiles(metric: Metric, at: tuple[float, ...]) -> list[Query]:
    return [Query(quantile(metric, q), f"{q:.0%}") for q in at]


def _in_5_minutes(metric: Metric) -> str:
    return f"sum by (job) (increase({_of(metric.name)}[5m]))"
