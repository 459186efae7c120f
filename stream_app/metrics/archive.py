"""What ``bess archive`` tells Prometheus."""

from prometheus_client import CollectorRegistry

from stream_app.metrics.catalogue import counter, gauge
from stream_app.metrics.metric import Metric

RECORDS = Metric(
    "bess_archive_records_total", "counter", "records", (), "Records of results written to files."
)
FILES = Metric("bess_archive_files_total", "counter", "files", (), "Parquet files written.")
MERGED = Metric(
    "bess_archive_merged_files_total", "counter", "files", (), "Files that were merged into others."
)
BYTES = Metric("bess_archive_bytes_total", "counter", "bytes", (), "Bytes of Parquet written.")
LAG = Metric(
    "bess_archive_lag_records",
    "gauge",
    "records",
    (),
    "Records of results that are in no file yet, about: marks of transactions count as records.",
)
LOST = Metric(
    "bess_archive_lost_records_total",
    "counter",
    "records",
    (),
    "Offsets that the broker deleted before they were archived.",
)
ARCHIVE: tuple[Metric, ...] = (RECORDS, FILES, MERGED, BYTES, LAG, LOST)


class ArchiveMetrics:
    """Counters and gauges of one sink."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._records = counter(RECORDS, registry)
        self._files = counter(FILES, registry)
        self._merged = counter(MERGED, registry)
        self._bytes = counter(BYTES, registry)
        self._lag = gauge(LAG, registry)
        self._lost = counter(LOST, registry)

    def archived(self, records: int, files: int, size: int) -> None:
        """Some records are in files."""
        self._records.inc(records)
        self._files.inc(files)
        self._bytes.inc(size)

    def merged(self, files: int) -> None:
        """Some files were merged."""
        self._merged.inc(files)

    def behind(self, records: int) -> None:
        """How many records are in no file yet."""
        self._lag.set(records)

    def lost(self, offsets: int) -> None:
        """The broker deleted offsets unread."""
        self._lost.inc(offsets)
