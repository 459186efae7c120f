"""What a sink tells while it runs: log lines for people, metrics for Prometheus."""

from dataclasses import dataclass

import structlog

from stream_app.archive.layout import Span
from stream_app.metrics.archive import ArchiveMetrics

log = structlog.get_logger(__name__)


@dataclass
class Summary:
    """What was archived since the start."""

    records: int = 0
    rows: int = 0
    files: int = 0
    bytes: int = 0
    lost: int = 0


class Told:
    """Counts what a sink does, and says it."""

    def __init__(self, metrics: ArchiveMetrics) -> None:
        self.summary = Summary()
        self._metrics = metrics

    def lost(self, span: Span) -> None:
        """The broker deleted a span of offsets before it was archived."""
        offsets = span.next - span.first
        self.summary.lost += offsets
        self._metrics.lost(offsets)
        log.warning(
            "the broker deleted records before they were archived",
            topic=span.topic,
            partition=span.partition,
            offsets=f"{span.first} to {span.next - 1}",
        )

    def archived(self, records: int, rows: int, files: int, size: int) -> None:
        """A span is in files."""
        self.summary.records += records
        self.summary.rows += rows
        self.summary.files += files
        self.summary.bytes += size
        self._metrics.archived(records, files, size)

    def merged(self, files: int) -> None:
        """So many files became fewer."""
        self._metrics.merged(files)

    def stands(self, behind: int) -> None:
        """Some spans were written, and so many records are in no file."""
        self._metrics.behind(behind)
        done = self.summary
        log.info("archived", records=done.records, rows=done.rows, files=done.files, behind=behind)
