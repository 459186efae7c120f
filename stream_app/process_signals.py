"""An export of signals through the folds without Kafka and Redis: the same records."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from stream_app.codec.results import Output
from stream_app.core.battery import Battery, MeterPoint
from stream_app.core.battery_system import BatteryOutputs, BatteryState, Part, fold_battery
from stream_app.core.calendar import RESOLUTIONS_MS
from stream_app.core.cells.forest import AnomalyModel
from stream_app.core.energy import Ints
from stream_app.core.messages import EndOfData
from stream_app.families import battery_step, family_of
from stream_app.process import OnProgress

BATCH_ROWS = 500
"""Rows folded at a time: a day of cells in minutes takes three, and memory stays small."""


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
    windows
        Closed windows of packs by length, those that were not told, too.
    clock_ms
        Newest event time [ms UTC], None for an export without rows.
    """

    rows: int = 0
    samples: int = 0
    late: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    windows: Counter[str] = field(default_factory=Counter)
    clock_ms: int | None = None


def process_signals(
    source: SignalSource,
    take: Callable[[Output], None],
    on_progress: OnProgress,
    models: Sequence[AnomalyModel] = (),
    levels: Collection[str] = tuple(RESOLUTIONS_MS),
) -> SignalResult:
    """Fold a whole export; in memory are the states and one batch.

    Parameters
    ----------
    take
        Told every record that a worker would publish, but for windows of other ``levels``: to
        encode short ones takes longer than to fold them.
    on_progress
        Told the rows of the export that are done with, and the event time reached [ms UTC].
    models
        Judge all windows of their systems.
    """
    run = _Run(take, levels)
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

    def __init__(self, take: Callable[[Output], None], levels: Collection[str]) -> None:
        self.states: dict[str, Any] = {}
        self.result = SignalResult()
        self._take, self._levels = take, levels

    def fold(self, key: str, message: Any) -> None:
        """Fold a message of the key's family."""
        family = family_of(key)
        if key not in self.states:
            self.states[key] = family.load(_nothing)
        state = self.states[key]
        if isinstance(state, BatteryState):
            step = battery_step(state, self._told(fold_battery(state, [message])))
        else:
            step = family.fold(state, [message])
        for record in step.records:
            self._take(record)
        self.result.samples += step.samples
        self.result.late += step.late
        self.result.refusals.update(each.reason for each in step.refusals)

    def _told(self, outputs: BatteryOutputs) -> BatteryOutputs:
        """Count windows of packs, and leave out those of lengths that nobody asked for."""
        cells = outputs.cells
        for each in cells.windows:
            self.result.windows[each.resolution] += each.size
        cells.windows = [each for each in cells.windows if each.resolution in self._levels]
        outputs.windows = [each for each in outputs.windows if each.resolution in self._levels]
        return outputs


def _nothing(_name: Part) -> None:
    """A part of a state that there is not yet."""
