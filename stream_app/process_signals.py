"""An export of signals through the folds without Kafka and Redis: the same records."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from stream_app.codec.results import Output
from stream_app.core.battery import Battery, CellSamples, MeterPoint, MeterSamples, SystemSamples
from stream_app.core.battery_system import Part
from stream_app.core.cells.forest import AnomalyModel
from stream_app.core.energy import Ints
from stream_app.core.messages import EndOfData
from stream_app.families import family_of
from stream_app.process import OnProgress

BATCH_ROWS = 500
"""Rows folded at a time: a day of cells in minutes takes three, and memory stays small."""

Samples = CellSamples | SystemSamples | MeterSamples
SignalMessage = Battery | AnomalyModel | MeterPoint | Samples | EndOfData


class SignalBatch(Protocol):
    """Rows of an export; see ``replay.feed.Batch``."""

    @property
    def next_row(self) -> int: ...
    @property
    def times(self) -> Ints: ...
    @property
    def samples(self) -> Sequence[tuple[str, Any]]: ...
    @property
    def clock_ms(self) -> int | None: ...


class SignalSource(Protocol):
    """What is needed of an export; ``replay.signals.export.SignalExport`` is one."""

    @property
    def batteries(self) -> Sequence[Battery]: ...
    @property
    def meters(self) -> Sequence[MeterPoint]: ...
    @property
    def interval_ms(self) -> int: ...
    def batches(self, *, rows: int) -> Iterable[SignalBatch]: ...


@dataclass
class SignalResult:
    """What an export came to.

    Attributes
    ----------
    rows
        Rows of the export.
    samples, late
        Rows of packs, systems and meters that were folded, and that were late.
    refusals
        Reasons with the number of messages that were refused for it.
    clock_ms
        Newest event time [ms UTC], None for an export without rows.
    """

    rows: int = 0
    samples: int = 0
    late: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    clock_ms: int | None = None


def process_signals(
    source: SignalSource,
    take: Callable[[Output], None],
    on_progress: OnProgress,
    models: Sequence[AnomalyModel] = (),
) -> SignalResult:
    """Fold a whole export; in memory are the states and one batch.

    Parameters
    ----------
    take
        Told every record that a worker would publish.
    on_progress
        Told the rows of the export that are done with, and the event time reached [ms UTC].
    models
        Judge all windows of their systems.
    """
    run = _Run(take)
    subjects: list[Battery | MeterPoint] = [*source.batteries, *source.meters]
    for subject in subjects:
        run.fold(subject.key, subject)
    for model in models:
        run.fold(model.key, model)
    for batch in source.batches(rows=BATCH_ROWS):
        for key, samples in batch.samples:
            run.fold(key, samples)
        run.result.rows += batch.times.size
        run.result.clock_ms = batch.clock_ms
        on_progress(batch.next_row, batch.clock_ms)
    if run.result.clock_ms is not None:
        for key in run.states:
            run.fold(key, EndOfData(run.result.clock_ms + source.interval_ms))
    return run.result


class _Run:
    """States by key, and what they came to."""

    def __init__(self, take: Callable[[Output], None]) -> None:
        self.states: dict[str, Any] = {}
        self.result = SignalResult()
        self._take = take

    def fold(self, key: str, message: SignalMessage) -> None:
        family = family_of(key)
        if key not in self.states:
            self.states[key] = family.load(_nothing)
        step = family.fold(self.states[key], [message])
        for record in step.records:
            self._take(record)
        self.result.samples += step.samples
        self.result.late += step.late
        self.result.refusals.update(each.reason for each in step.refusals)


def _nothing(_name: Part) -> None:
    """A part of a state that there is not yet."""
