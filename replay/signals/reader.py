"""The signals of one file, slot by slot, in bounded memory and without an open file."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from replay.cells import numbers
from replay.config import Parsing
from replay.errors import ExportError
from replay.issues import SHOWN, Issues
from replay.localtime import LocalTime
from replay.rows import Rows, TimedRows, timed
from replay.signals.admission import Admission, Refused, Slotted, Taken, joined, one_a_time
from replay.signals.files import Head
from replay.signals.mapping import Target
from replay.signals.ordering import LOOK_AHEAD, Ordering
from replay.signals.slices import slices
from replay.signals.units import scaled
from replay.sources import Source
from replay.timestamps import stamps
from stream_app.core.energy import Floats

HELD_CELLS = 200_000
"""Cells of one file kept back while a repeated hour is undecided, or rows wait for earlier ones."""


class SignalReader:
    """Reads one file forwards.

    ``targets`` are what its columns measure, in the order of the values.

    Parameters
    ----------
    source, columns
        The file, and its columns that are signals.
    head
        What the first rows said of its clock.
    interval_ms
        Of the grid.
    skew_ms
        A time further ahead [ms] must be confirmed by a second row.
    slice_bytes
        Text read at a time. Results do not depend on it.
    """

    def __init__(
        self,
        source: Source,
        columns: Sequence[tuple[str, Target]],
        head: Head,
        interval_ms: int,
        skew_ms: int,
        slice_bytes: int,
        issues: Issues,
    ) -> None:
        self.targets = [target for _, target in columns]
        self._names = [name for name, _ in columns]
        self._source, self._issues = replace(source, bad_lines=[]), issues
        self._interval_ms, self._phase_ms = interval_ms, head.phase_ms
        self._admission = Admission(skew_ms, head.median_ms)
        look_ahead = min(LOOK_AHEAD, HELD_CELLS // len(columns))
        self._ordering = Ordering(interval_ms, len(columns), look_ahead, not head.oldest_first)
        self._most = np.array([each.keep != "extremes" for each in self.targets])
        self._apart = self.targets[0].of != "cells"
        self._newest = joined([], len(self.targets))
        local_time = LocalTime(source.parsing.timezone, interval_ms)
        self._chunks = timed(self._rows(slice_bytes), local_time, issues, 0, HELD_CELLS)
        self._parts: list[Slotted] = []
        self._ended = False
        self._seen = 0

    def next_slot(self) -> int | None:
        """Slot [ms UTC] of the next row; None after the last."""
        while not self._parts and not self._ended:
            self._read()
        return int(self._parts[0].slots[0]) if self._parts else None

    def take(self, until: int) -> Slotted:
        """Rows at all times before ``until`` [ms UTC] that have not been taken, one at each."""
        while not self._ended and self._known_until() < until:
            self._read()
        ready, waiting = [], []
        for part in self._parts:
            at = int(np.searchsorted(part.slots, until))
            ready.append(part.before(at))
            if at < part.slots.size:
                waiting.append(part.after(at))
        self._parts = waiting
        return joined(ready, len(self.targets))

    def close(self) -> None:
        """Let go of what has been read ahead."""
        self._chunks.close()
        self._parts = []

    def _read(self) -> None:
        refused = Refused()
        chunk = next(self._chunks, None)
        if chunk is None:
            self._ended = True
            rest = self._in_order(self._admission.end(refused), refused)
            every = [self._newest, *rest, self._ordering.end()]
            self._publish(joined(every, len(self.targets)))
        else:
            self._admit(chunk, refused)
        for row, reason in refused.rows:
            self._issues.refuse(reason, [self._row(row)])

    def _admit(self, chunk: TimedRows, refused: Refused) -> None:
        """Take the rows that have an instant and at least one value."""
        values = chunk.rows.power
        heard = chunk.used & ~np.isnan(values).all(axis=0)
        numbers_in_file = chunk.rows.in_file + np.flatnonzero(heard)
        rows = Taken(chunk.times[heard] - self._phase_ms, values[:, heard], numbers_in_file)
        parts = self._in_order(self._admission.take(rows, refused), refused)
        if any(part.slots.size for part in parts):
            every = joined([self._newest, *parts], len(self.targets))
            # More rows of the newest slot may come.
            whole = int(np.searchsorted(every.slots, every.slots[-1]))
            self._newest = every.after(whole).copy()
            self._publish(every.before(whole))

    def _in_order(self, parts: Sequence[Taken], refused: Refused) -> list[Slotted]:
        moved: list[int] = []
        found = [each for part in parts for each in self._ordering.take(part, refused, moved)]
        self._issues.put_in_order.add(len(moved), map(self._row, moved))
        return found

    def _known_until(self) -> int:
        """Time [ms UTC] before which no more rows come."""
        slots = self._newest.slots
        return int(slots[0]) - self._interval_ms // 2 if slots.size else 0

    def _publish(self, rows: Slotted) -> None:
        """Keep rows of whole slots until they are taken."""
        part, shared = one_a_time(rows, self._most, self._apart)
        if shared:
            self._issues.shared_slots[self._source.name] += shared
        if part.slots.size:
            self._parts.append(part)

    def _rows(self, slice_bytes: int) -> Iterator[Rows]:
        names = [self._source.parsing.timestamp_col, *self._names]
        return map(self._checked, slices(self._source, names, slice_bytes))

    def _checked(self, batch: pa.RecordBatch) -> Rows:
        """Parse consecutive rows of the file, and note what cannot be used of them."""
        rows = self._parsed(batch, self._seen)
        self._seen += batch.num_rows
        bad = np.flatnonzero(~rows.stamps.parsed)
        self._note_stamps(batch.column(0), bad.tolist(), rows.in_file)
        self._note_bad_lines()
        return rows

    def _parsed(self, batch: pa.RecordBatch, in_file: int) -> Rows:
        parsing: Parsing = self._source.parsing
        values = np.empty((len(self.targets), batch.num_rows))
        for place, (name, target) in enumerate(zip(self._names, self.targets, strict=True)):
            values[place] = self._numbers(name, batch.column(place + 1), target, in_file)
        try:
            read = stamps(batch.column(0), parsing)
        except ExportError as fault:
            raise ExportError(f"{self._source.path}: {fault}") from fault
        return Rows(self._source, 0, in_file, read, values)

    def _numbers(self, name: str, column: pa.Array, target: Target, in_file: int) -> Floats:
        try:
            values, words = numbers(column, self._source.parsing.decimal)
        except ExportError as fault:
            raise ExportError(f"{self._source.path}: column {name!r} {fault}") from fault
        values = scaled(values, target.size)
        beyond = np.abs(values) > target.largest
        if beyond.any():
            words = np.union1d(words, np.flatnonzero(beyond))
            values = np.where(beyond, np.nan, values)
        self._note_cells(name, column, values, words.tolist(), in_file)
        return values

    def _note_cells(
        self, name: str, column: pa.Array, values: Floats, words: list[int], in_file: int
    ) -> None:
        address = f"{self._source.folder}{name}"
        if words:
            places = [self._place(column, in_file, row) for row in words[:SHOWN]]
            self._issues.text(address, len(words), places)
        empty = int(np.isnan(values).sum()) - len(words)
        if empty:
            self._issues.empty_cells[address] += empty

    def _note_stamps(self, column: pa.Array, bad: list[int], in_file: int) -> None:
        if bad:
            places = [self._place(column, in_file, row) for row in bad[:SHOWN]]
            self._issues.refuse("timestamp cannot be read", places, len(bad))

    def _note_bad_lines(self) -> None:
        fresh = list(self._source.bad_lines)
        if fresh:
            self._source.bad_lines.clear()
            places = [f"{self._source.name} line {bad.line}: {bad.cells} cells" for bad in fresh]
            reason = f"line without the {fresh[0].expected} cells of the header"
            self._issues.refuse(reason, places)

    def _row(self, row: int) -> str:
        return f"{self._source.name} row {row + 1}"

    def _place(self, column: pa.Array, in_file: int, row: int) -> str:
        return f"{self._source.name} row {in_file + row + 1}: {str(column[row])[:40]!r}"
