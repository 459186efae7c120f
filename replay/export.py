"""An export: files that are read as one stream of power samples in bounded memory."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from replay.columns import PowerColumn, power_columns
from replay.config import Config
from replay.derivation import power_blocks
from replay.errors import ExportError
from replay.feed import ROWS, Batch
from replay.files import find_files
from replay.issues import Issues
from replay.localtime import Bools, LocalTime
from replay.rows import FileReader, Rows, TimedRows, refuse_unreadable, timed
from replay.sources import Source, open_source
from replay.timestamps import stamps
from schemas.topics import TELEMETRY, TOPOLOGY, Topic
from stream_app.codec.telemetry import encode
from stream_app.core.clock import Clock, Samples, admit, reached
from stream_app.core.energy import Floats, Ints
from stream_app.core.messages import Configure, PowerSamples
from stream_app.core.topology import PowerBlock


@dataclass
class Export:
    """Files with the same kind of rows, in order of their first timestamp.

    Attributes
    ----------
    config
        How to read them.
    sources
        The files.
    columns
        Power columns, grouped by block.
    blocks
        Power blocks with their rules, in natural order.
    interval_ms
        Nominal time between rows.
    first_ms
        Time of the first row [ms UTC].
    issues
        What the current or last pass of :meth:`batches` could not use.
    chunk_rows
        Rows read at a time, at most; None: a few MB. Results do not depend on it.
    """

    config: Config
    sources: list[Source]
    columns: list[PowerColumn]
    blocks: list[PowerBlock]
    interval_ms: int
    first_ms: int
    issues: Issues = field(default_factory=Issues)
    chunk_rows: int | None = None

    @classmethod
    def open(cls, config: Config) -> "Export":
        """Look at columns and first rows of all files.

        Raises
        ------
        ExportError
            A file cannot be found or read, or its timestamps cannot.
        TopologyError
            Columns, inverters and enclosures do not fit together.
        """
        found = [open_source(path, config.parsing) for path in find_files(config.data.paths)]
        heads = sorted((_head(source, config) for source in found), key=lambda head: head.order)
        dated = [head for head in heads if head.times.size]
        if not dated:
            raise ExportError(f"{found[0].path}: no row has a timestamp; there is nothing to read")
        interval_ms = config.data.interval or _interval(dated)
        names = list(dict.fromkeys(name for head in heads for name in head.source.columns))
        columns = power_columns(names, config)
        blocks = power_blocks(columns, names, config, interval_ms)
        sources = [head.source for head in heads]
        return cls(config, sources, columns, blocks, interval_ms, int(dated[0].times[0]))

    @property
    def files(self) -> list[Path]:
        return [source.path for source in self.sources]

    @property
    def total_rows(self) -> int:
        """Rows of all files; estimated from the size for CSV."""
        return sum(source.rows for source in self.sources)

    @property
    def keys(self) -> list[str]:
        """Keys of the power blocks."""
        return [block.key for block in self.blocks]

    @property
    def values_a_row(self) -> int:
        """DC inputs of the largest block."""
        return max(len(block.inputs) for block in self.blocks)

    @property
    def identity(self) -> list[str]:
        """Names and sizes of the files, topology, and how numbers become power."""
        return [
            *(f"{path.name}:{path.stat().st_size}" for path in self.files),
            *(encode(Configure(block)).decode() for block in self.blocks),
            *(f"{column.name}:{column.inverter}:{column.input}" for column in self.columns),
            self.config.parsing.model_dump_json(),
            repr(self.config.power.watts),
        ]

    def topology(self) -> list[tuple[Topic, str, bytes]]:
        """Topology of every block, for its own topic and ahead of the block's telemetry."""
        return [
            (topic, block.key, encode(Configure(block)))
            for block in self.blocks
            for topic in (TOPOLOGY, TELEMETRY)
        ]

    def batches(
        self,
        start_row: int = 0,
        rows: int = ROWS,
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> Iterator[Batch[PowerSamples]]:
        """Read on from a row of the export.

        Parameters
        ----------
        start_row
            ``next_row`` of the last batch that is done with.
        rows
            Rows of the export in a batch, at most.
        from_ms, to_ms
            Samples in ``[from_ms, to_ms)`` only [ms UTC].

        Yields
        ------
        Batches that cover every row from ``start_row`` on; one may be without samples.
        """
        self.issues = Issues()
        slicer = _Slicer(self, start_row, rows, from_ms, to_ms)
        local_time = LocalTime(self.config.parsing.timezone, self.interval_ms)
        for chunk in timed(self._rows(start_row), local_time, self.issues, start_row):
            yield from slicer.slices(chunk)

    def _rows(self, start_row: int) -> Iterator[Rows]:
        first, skipped = self._resume_at(start_row)
        for source in self.sources[skipped:]:
            self._note_file(source)
            reader = FileReader(source, self.columns, self.config, self.issues)
            count = 0
            for rows in reader.read(first, start_row, self.chunk_rows):
                count = rows.in_file + rows.stamps.ms.size
                yield rows
            first += count

    def _resume_at(self, start_row: int) -> tuple[int, int]:
        """First row and number of the file to read from: one before the wanted, for the context."""
        first, firsts = 0, [0]
        for source in self.sources:
            first += source.rows
            if not source.exact or first > start_row:
                break
            firsts.append(first)
        skipped = max(0, len(firsts) - 2)
        return firsts[skipped], skipped

    def _note_file(self, source: Source) -> None:
        if source.exact and not source.rows:
            self.issues.notes.append(f"{source.path.name} has no rows")
        absent = [column.name for column in self.columns if column.name not in source.columns]
        if absent:
            shown = ", ".join(repr(name) for name in absent[:3])
            more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
            self.issues.notes.append(f"{source.path.name} lacks the column {shown}{more}")


class _Slicer:
    """Cuts timed rows into batches, and follows the event clock over them."""

    def __init__(
        self, export: Export, start_row: int, rows: int, from_ms: int | None, to_ms: int | None
    ) -> None:
        self._export = export
        self._start_row = start_row
        self._rows = rows
        self._from_ms, self._to_ms = from_ms, to_ms
        self._clock = Clock()
        self._newest: int | None = None
        self._last: int | None = None
        self._file: Path | None = None
        self._places = _block_places(export)

    def slices(self, chunk: TimedRows) -> Iterator[Batch[PowerSamples]]:
        rows, times, used = chunk.rows, chunk.times, chunk.used
        self._note_order(rows, times, used)
        used = used & self._inside(times)
        power = rows.power
        silent = _silent(power, self._places)
        skipped = max(0, self._start_row - rows.first)
        self._follow(times[:skipped][used[:skipped]])
        for low in range(skipped, times.size, self._rows):
            part = slice(low, min(low + self._rows, times.size))
            kept = part if bool(used[part].all()) else part.start + np.flatnonzero(used[part])
            self._follow(times[kept])
            samples = self._samples(times[kept], power[:, kept], silent[:, kept])
            name, next_row = rows.source.path.name, rows.first + part.stop
            yield Batch(name, next_row, times[kept], samples, reached(self._clock))

    def _inside(self, times: Ints) -> Bools:
        inside = np.ones(times.size, dtype=np.bool_)
        if self._from_ms is not None:
            inside &= times >= self._from_ms
        if self._to_ms is not None:
            inside &= times < self._to_ms
        return inside

    def _follow(self, times: Ints) -> None:
        rules = self._export.blocks[0].rules
        nothing = np.zeros(times.size)
        rows = nothing.astype(np.int64)
        admit(self._clock, Samples(times, nothing, rows), rules.lateness_ms, rules.skew_ms)

    def _samples(self, times: Ints, power: Floats, silent: Bools) -> list[tuple[str, PowerSamples]]:
        out = []
        quiet = set(np.flatnonzero(silent.any(axis=1)).tolist())
        for place, (key, names, first) in enumerate(self._places):
            block_times, block_power = times, power[first : first + len(names)]
            if place in quiet:
                heard = ~silent[place]
                block_times, block_power = times[heard], block_power[:, heard]
            if block_times.size:
                by_input = dict(zip(names, block_power, strict=True))
                out.append((key, PowerSamples(block_times, by_input)))
        return out

    def _note_order(self, rows: Rows, times: Ints, used: Bools) -> None:
        """Count rows that step back, and files that begin before the one before has ended."""
        kept = np.flatnonzero(used)
        if not kept.size:
            return
        seen = times[kept]
        path, issues = rows.source.path, self._export.issues
        if self._file not in (None, path) and self._newest is not None and seen[0] <= self._newest:
            assert self._file is not None
            issues.notes.append(f"{path.name} begins before {self._file.name} ends: they overlap")
        before = int(seen[0]) if self._last is None else self._last
        back = kept[np.diff(seen, prepend=before) < 0]
        back = back[back >= self._start_row - rows.first]
        issues.back_steps.add(
            back.size, (f"{path.name} row {rows.in_file + int(row) + 1}" for row in back)
        )
        self._last, self._file = int(seen[-1]), path
        self._newest = max(int(seen.max()), self._newest or 0)


@dataclass(frozen=True, eq=False)
class _Head:
    """First instants of a file."""

    source: Source
    times: Ints

    @property
    def order(self) -> tuple[bool, int, str]:
        first = int(self.times[0]) if self.times.size else 0
        return not self.times.size, first, str(self.source.path)


def _head(source: Source, config: Config) -> _Head:
    wanted = config.parsing.timestamp_col
    if wanted not in source.columns:
        near = difflib.get_close_matches(wanted, source.columns, n=3, cutoff=0.4)
        has = ", ".join(repr(name) for name in near or source.columns[:5])
        raise ExportError(
            f"{source.path}: has no column {wanted!r}; it has {has}; set parsing.timestamp_col"
        )
    column = source.head(wanted)
    try:
        read = stamps(column, config.parsing)
    except ExportError as fault:
        raise ExportError(f"{source.path}: {fault}") from fault
    bad = np.flatnonzero(~read.parsed)
    refuse_unreadable(source, column, bad, bad.size, len(column))
    times, local = read.ms[read.parsed], read.local[read.parsed]
    resolved = LocalTime(config.parsing.timezone, 0).resolve(times)
    return _Head(source, np.where(local, resolved.times, times))


def _interval(heads: Sequence[_Head]) -> int:
    """Median forward step of the first file that has one, else between the files' first rows."""
    firsts = np.array([head.times[0] for head in heads])
    for times in (*(head.times for head in heads), firsts):
        steps = np.diff(times)
        forward = steps[steps > 0]
        if forward.size:
            return int(np.median(forward))
    raise ExportError(
        f"{heads[0].source.path}: has too few rows to tell the time between them; "
        "set data.interval, for instance to 15min"
    )


def _block_places(export: Export) -> list[tuple[str, list[str], int]]:
    """Key, inputs and first power column of each block; the columns are grouped by block."""
    places = []
    first = 0
    for block in export.blocks:
        places.append((block.key, list(block.inputs), first))
        first += len(block.inputs)
    return places


def _silent(power: Floats, places: Sequence[tuple[str, list[str], int]]) -> Bools:
    """(blocks, n) rows in which no input of a block has a value."""
    starts = [first for _, _, first in places]
    silent: Bools = np.logical_and.reduceat(np.isnan(power), starts, axis=0)
    return silent
