"""An export through the pipeline without Kafka and Redis: the same steps, the same records."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from schemas.results import DailyRecord
from stream_app.codec.results import alarm_record, days
from stream_app.core.energy import Ints
from stream_app.core.integrator import DAY
from stream_app.core.messages import Configure, EndOfData, Message, Outputs, PowerSamples
from stream_app.core.topology import PowerBlock
from stream_app.pipeline import BlockState, fold
from stream_app.reports.alarms import AlarmTally
from stream_app.reports.daily import newest

BATCH_ROWS = 2_000
"""Rows folded at a time: enough for numpy, and a few MB for the widest station."""


OnProgress = Callable[[int, int | None], None]


class SourceBatch(Protocol):
    """Rows of an export; see ``replay.export.Batch``."""

    @property
    def next_row(self) -> int: ...
    @property
    def times(self) -> Ints: ...
    @property
    def samples(self) -> Sequence[tuple[str, PowerSamples]]: ...
    @property
    def clock_ms(self) -> int | None: ...


class Source(Protocol):
    """What is needed of an export; ``replay.export.Export`` is one."""

    @property
    def blocks(self) -> Sequence[PowerBlock]: ...
    @property
    def interval_ms(self) -> int: ...
    def batches(self, *, rows: int) -> Iterable[SourceBatch]: ...


@dataclass
class ProcessResult:
    """What an export came to.

    Attributes
    ----------
    daily
        Newest revision of each enclosure and day.
    windows
        Windows of enclosures by resolution.
    alarms
        Raises and clears by rule.
    rows, samples, too_late
        Counts; a sample is one value of one DC input.
    refusals
        Reasons with the number of messages that were refused for it.
    clock_ms
        Newest credible event time [ms UTC], None for an export without rows.
    """

    daily: list[DailyRecord] = field(default_factory=list)
    windows: Counter[str] = field(default_factory=Counter)
    alarms: AlarmTally = field(default_factory=AlarmTally)
    rows: int = 0
    samples: int = 0
    too_late: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    clock_ms: int | None = None

    def take(self, outputs: Outputs) -> None:
        """Keep the days and count the rest."""
        for rollup in outputs.rollups:
            self.windows[rollup.resolution] += len(rollup.enclosures) * rollup.run.starts.size
            if rollup.resolution == DAY:
                self.daily += days(rollup)
        self.alarms.add_all(map(alarm_record, outputs.findings))
        self.samples += outputs.samples
        self.too_late += sum(late.times.size for late in outputs.too_late)
        self.refusals.update(refusal.reason for refusal in outputs.refusals)


def process(source: Source, on_progress: OnProgress) -> ProcessResult:
    """Fold a whole export; in memory are the daily records, the states and one batch.

    Parameters
    ----------
    on_progress
        Told the rows of the export that are done with, and the event time reached [ms UTC].
    """
    result = ProcessResult()
    states = {block.key: BlockState() for block in source.blocks}
    _fold_all(result, states, [(block.key, Configure(block)) for block in source.blocks])
    for batch in source.batches(rows=BATCH_ROWS):
        _fold_all(result, states, batch.samples)
        result.rows += batch.times.size
        result.clock_ms = batch.clock_ms
        on_progress(batch.next_row, batch.clock_ms)
    if result.clock_ms is not None:
        end = EndOfData(result.clock_ms + source.interval_ms)
        _fold_all(result, states, [(key, end) for key in states])
    result.daily = newest(result.daily)
    return result


def _fold_all(
    result: ProcessResult,
    states: dict[str, BlockState],
    messages: Iterable[tuple[str, Message]],
) -> None:
    for key, message in messages:
        result.take(fold(states[key], [message]))
