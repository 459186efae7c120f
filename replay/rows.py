"""Rows of export files with their instants: parsed, resolved in local time, refused or kept."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from replay.cells import Cells, cells
from replay.columns import PowerColumn
from replay.config import Config
from replay.errors import ExportError
from replay.issues import SHOWN, Issues
from replay.localtime import Bools, LocalTime, wall_text
from replay.sources import HEAD_ROWS, Source
from replay.timestamps import Stamps, stamps
from stream_app.core.energy import Floats, Ints

HELD_CELLS = 32_000_000
"""Cells kept back while a repeated hour is undecided; 2 h at 1 s of 72 inverters are 1 million."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Consecutive rows of one file, as read.

    Attributes
    ----------
    source
        The file; ``first`` is the export's row that the first of these is, ``in_file`` the file's.
    power
        (columns, n) [W], + = discharge, in the order of the export's power columns.
    """

    source: Source
    first: int
    in_file: int
    stamps: Stamps
    power: Floats


@dataclass(frozen=True, eq=False)
class TimedRows:
    """Rows with their instants [ms UTC]; ``used`` marks those that have one."""

    rows: Rows
    times: Ints
    used: Bools


class FileReader:
    """Reads the rows of one file and notes what cannot be used."""

    def __init__(
        self, source: Source, columns: Sequence[PowerColumn], config: Config, issues: Issues
    ) -> None:
        self._source = source
        self._config = config
        self._issues = issues
        self._columns = columns
        self._present = [
            (place, column.name)
            for place, column in enumerate(columns)
            if column.name in source.columns
        ]
        self._unparsed = 0

    def read(self, first: int, wanted: int, chunk_rows: int | None) -> Iterator[Rows]:
        """Read the file in chunks of so many rows at most, or of a few MB.

        Parameters
        ----------
        first
            The export's row that the file's first row is.
        wanted
            Nothing is noted of rows of the export before this one.
        """
        names = [self._config.parsing.timestamp_col, *(name for _, name in self._present)]
        in_file = bad = 0
        for batch in self._source.chunks(names, chunk_rows):
            notable = max(0, wanted - first - in_file)
            rows = self._rows(batch, first + in_file, in_file, notable)
            self._check_stamps(batch, rows, notable)
            in_file += batch.num_rows
            bad = self._note_bad_lines(bad, notable < batch.num_rows)
            yield rows
        self._note_bad_lines(bad, first + in_file >= wanted)

    def _rows(self, batch: pa.RecordBatch, first: int, in_file: int, notable: int) -> Rows:
        parsing, scale = self._config.parsing, self._config.power.watts
        power = np.full((len(self._columns), batch.num_rows), np.nan)
        for column, (place, name) in zip(batch.columns[1:], self._present, strict=True):
            try:
                converted = cells(column, scale, parsing.decimal)
            except ExportError as fault:
                raise ExportError(f"{self._source.path}: column {name!r} {fault}") from fault
            power[place] = converted.watts
            self._note_cells(name, column, converted, in_file, notable)
        try:
            read = stamps(batch.column(0), parsing)
        except ExportError as fault:
            raise ExportError(f"{self._source.path}: {fault}") from fault
        return Rows(self._source, first, in_file, read, power)

    def _note_cells(
        self, name: str, column: pa.Array, converted: Cells, in_file: int, notable: int
    ) -> None:
        text = converted.unusable[converted.unusable >= notable].tolist()
        if text:
            places = [self._place(column, in_file, row) for row in text[:SHOWN]]
            self._issues.text(name, len(text), places)
        empty = int(np.isnan(converted.watts[notable:]).sum()) - len(text)
        if empty:
            self._issues.empty_cells[name] += empty

    def _place(self, column: pa.Array, in_file: int, row: int) -> str:
        return f"{self._source.name} row {in_file + row + 1}: {str(column[row])[:40]!r}"

    def _check_stamps(self, batch: pa.RecordBatch, rows: Rows, notable: int) -> None:
        bad = np.flatnonzero(~rows.stamps.parsed)
        self._unparsed += bad.size
        seen = rows.in_file + batch.num_rows
        column = batch.column(0)
        if seen >= HEAD_ROWS:
            refuse_unreadable(self._source, column, bad, self._unparsed, seen)
        noted = bad[bad >= notable].tolist()
        if noted:
            places = [self._place(column, rows.in_file, row) for row in noted[:SHOWN]]
            self._issues.refuse("timestamp cannot be read", places, len(noted))

    def _note_bad_lines(self, done: int, notable: bool) -> int:
        fresh = self._source.bad_lines[done:]
        if fresh and notable:
            places = [f"{self._source.name} line {bad.line}: {bad.cells} cells" for bad in fresh]
            expected = fresh[0].expected
            self._issues.refuse(f"line without the {expected} cells of the header", places)
        return done + len(fresh)


def refuse_unreadable(source: Source, column: pa.Array, bad: Ints, count: int, seen: int) -> None:
    """Give a file up of whose first ``seen`` timestamps most cannot be read.

    Raises
    ------
    ExportError
        More than half cannot be read; shows some of the ``bad`` rows of ``column``.
    """
    if bad.size and count * 2 > seen:
        examples = ", ".join(repr(str(column[row])) for row in bad[:3].tolist())
        raise ExportError(
            f"{source.path}: {count} of the first {seen} timestamps in column "
            f"{source.parsing.timestamp_col!r} cannot be read, for instance {examples}; set "
            "parsing.timestamp_format (such as '%d/%m/%Y %H:%M') or parsing.timestamp_unit"
        )


def timed(
    chunks: Iterable[Rows],
    local_time: LocalTime,
    issues: Issues,
    wanted: int,
    held_cells: int = HELD_CELLS,
) -> Generator[TimedRows, None, None]:
    """Give rows their instants.

    While the newest row lies in an hour that occurs twice, rows are held back until it is clear
    which of the two each is; so chunks may end anywhere. Of what it has given it keeps nothing:
    there may be thousands of these, waiting.
    """
    held: list[Rows] = []
    ready: deque[TimedRows] = deque()
    undecided = False
    for chunk in chunks:
        held.append(chunk)
        last = np.flatnonzero(chunk.stamps.parsed)[-1:]
        if last.size:
            wall, local = int(chunk.stamps.ms[last[0]]), bool(chunk.stamps.local[last[0]])
            undecided = local and local_time.is_ambiguous(wall)
        del chunk
        if not undecided or sum(rows.power.size for rows in held) > held_cells:
            ready.extend(_resolved(held, local_time, issues, wanted))
            held = []
            while ready:
                yield ready.popleft()
    yield from _resolved(held, local_time, issues, wanted)


def _resolved(
    held: Sequence[Rows], local_time: LocalTime, issues: Issues, wanted: int
) -> Iterator[TimedRows]:
    if not held:
        return
    ms = np.concatenate([rows.stamps.ms for rows in held])
    parsed = np.concatenate([rows.stamps.parsed for rows in held])
    local = parsed & np.concatenate([rows.stamps.local for rows in held])
    instants = local_time.resolve(ms[local])
    times, used = ms.copy(), parsed.copy()
    times[local] = instants.times
    used[local] = instants.exists
    ends = np.cumsum([rows.stamps.ms.size for rows in held])[:-1]
    parts = zip(held, np.split(times, ends), np.split(used, ends), strict=True)
    for rows, part_times, part_used in parts:
        _note_missing_times(rows, part_used, issues, wanted)
        yield TimedRows(rows, part_times, part_used)


def _note_missing_times(rows: Rows, used: Bools, issues: Issues, wanted: int) -> None:
    bad = np.flatnonzero(rows.stamps.parsed & ~used)
    bad = bad[bad >= wanted - rows.first].tolist()
    if bad:
        places = [
            f"{rows.source.name} row {rows.in_file + row + 1}: "
            f"{wall_text(int(rows.stamps.ms[row]))}"
            for row in bad[:SHOWN]
        ]
        issues.refuse("local time that the clock change skips", places, len(bad))
