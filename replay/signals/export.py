"""An export of signals: files that are merged by time in bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from replay.config import Config
from replay.errors import ExportError, TopologyError
from replay.feed import ROWS, Batch
from replay.issues import Issues
from replay.signals.blocks import Keyed, Layout, blocks
from replay.signals.files import SignalFile, find_files, look_at
from replay.signals.mapping import (
    MEANINGS,
    Mapped,
    Target,
    in_order,
    mapped,
    with_nearest,
    without_meaning,
)
from replay.signals.reader import SignalReader
from replay.signals.topology import batteries, meters, skew_ms
from replay.wire import Samples
from schemas.topics import TELEMETRY, Topic
from stream_app.codec.battery import decode_battery, encode_battery
from stream_app.codec.limits import MOST_SIGNALS
from stream_app.core.battery import Battery, MeterPoint
from stream_app.core.cells.held import Hold
from stream_app.core.energy import Ints

TEXT_BYTES = 80_000_000
"""Text of all files that is read at a time, about; parsed, it takes as much."""
_LEAST_SLICE, _LARGEST_SLICE = 16_384, 4_194_304
_FINE_MS = 1000
"""Grid of signals that come when they change."""


@dataclass
class SignalExport:
    """Files of signals whose clocks may differ, merged onto the grid of their intervals.

    Row ``n`` of the export is at ``first_ms + n * interval_ms``.

    Attributes
    ----------
    config
        How to read them.
    signal_files
        Those with at least one signal, in order of folder and name.
    mapped
        What their columns are.
    layout
        Batteries, meters and the signals of each.
    interval_ms
        Shortest nominal time between rows of a file.
    first_ms
        First slot of the grid [ms UTC].
    issues
        What the current or last pass of :meth:`batches` could not use.
    remarks
        What opening found: files without rows, unknown columns, signals and cells without a file.
    slice_bytes
        Text read of a file at a time; None: so that all together stay bounded. Results do not
        depend on it.
    """

    config: Config
    signal_files: list[SignalFile]
    mapped: Mapped
    layout: Layout
    interval_ms: int
    first_ms: int = 0
    issues: Issues = field(default_factory=Issues)
    remarks: list[str] = field(default_factory=list)
    slice_bytes: int | None = None

    @classmethod
    def open(
        cls, config: Config, on_file: Callable[[int, int], None] = lambda *_: None
    ) -> "SignalExport":
        """Look at header and first rows of all files.

        Parameters
        ----------
        on_file
            Told the number of files that are done with, and of all.

        Raises
        ------
        ExportError
            A file cannot be found or read, or its timestamps cannot.
        TopologyError
            Columns and configuration do not fit together.
        """
        found = find_files(config.data.paths)
        looked: list[SignalFile] = []
        unusable: list[str] = []
        faults: list[ExportError] = []
        for number, (folder, path) in enumerate(found):
            try:
                file = look_at(folder, path, config)
            except ExportError as fault:
                faults.append(fault)
                file = f"{fault}; the file is left out"
            if isinstance(file, SignalFile):
                looked.append(file)
            else:
                unusable.append(file)
            on_file(number + 1, len(found))
        if len(faults) > len(looked):
            raise faults[0]
        if not looked:
            raise ExportError(f"none of {len(found)} files can be used: {unusable[0]}")
        names = [address for file in looked for address in file.addresses.values()]
        roles = mapped(names, config.signals.rules)
        used = [file for file in looked if set(file.addresses.values()) & set(roles.targets)]
        return cls._of(config, used, roles, _remarks(unusable, roles))

    @classmethod
    def _of(
        cls, config: Config, files: list[SignalFile], roles: Mapped, remarks: list[str]
    ) -> "SignalExport":
        intervals = _intervals(files, roles)
        targets = list(roles.targets.values())
        layout = Layout.of(
            targets, batteries(targets, intervals, config), meters(targets, intervals, config)
        )
        export = cls(config, files, roles, layout, min(intervals.values()))
        export.remarks = [*remarks, *_absent(layout, targets, config), *_missing(layout, targets)]
        export._check_records()
        export.first_ms = export._first_ms()
        return export

    @property
    def files(self) -> list[Path]:
        return [file.source.path for file in self.signal_files]

    @property
    def batteries(self) -> Sequence[Battery]:
        return self.layout.batteries

    @property
    def meters(self) -> Sequence[MeterPoint]:
        return self.layout.meters

    @property
    def total_rows(self) -> int:
        """Rows of the longest file on the finest grid; estimated from the size for CSV."""
        return max(
            file.source.rows * (file.interval_ms or self.interval_ms) // self.interval_ms
            for file in self.signal_files
        )

    @property
    def keys(self) -> list[str]:
        """Keys of batteries and meters."""
        return [each.key for each in self._subjects]

    @property
    def values_a_row(self) -> int:
        """Values in a row of the largest record."""
        return self.layout.values_a_row

    @property
    def identity(self) -> list[str]:
        """Names and sizes of the files, topology, and what each column is."""
        return [
            *(
                f"{file.source.name}:{file.source.path.stat().st_size}"
                for file in self.signal_files
            ),
            *(record.decode() for _, _, record in self.topology()),
            *(f"{address}:{target}" for address, target in sorted(self.mapped.targets.items())),
            self.config.parsing.model_dump_json(),
            repr(self.config.data.interval),
        ]

    def topology(self) -> list[tuple[Topic, str, bytes]]:
        """Record of each battery and meter, ahead of its telemetry."""
        return [(TELEMETRY, each.key, encode_battery(each)) for each in self._subjects]

    def batches(
        self,
        start_row: int = 0,
        rows: int = ROWS,
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> Iterator[Batch[Samples]]:
        """Read on from a row of the grid; stretches in which no file has a row are passed over.

        The files are read from their beginning, for what a row is depends on the rows before it;
        ``issues`` tells of all rows.
        """
        self.issues = Issues(notes=list(self.remarks))
        readers = self._readers()
        start = max(self._time(start_row), from_ms or 0)
        end = np.iinfo(np.int64).max if to_ms is None else to_ms
        held: dict[tuple[str, str], Hold] = {}
        while (low := _next_slot(readers)) is not None and low < end:
            until = min(self._time(self._row(low) + rows), end if low >= start else start)
            samples = self._samples(readers, until, held)
            if low < start:
                continue
            times = _all_times(samples)
            clock_ms = int(times[-1])
            yield Batch(self._name, self._row(clock_ms) + 1, times, samples, clock_ms)

    def _samples(
        self, readers: Sequence[SignalReader], until: int, held: dict[tuple[str, str], Hold]
    ) -> list[Keyed]:
        """All rows before ``until`` [ms UTC] that have not been taken; nothing else is kept."""
        parts = [(reader.targets, reader.take(until)) for reader in readers]
        return list(blocks(self.layout, parts, held))

    @property
    def _subjects(self) -> list[Battery | MeterPoint]:
        return [*self.batteries, *self.meters]

    @property
    def _name(self) -> str:
        """Name for progress: files are read all at once."""
        return Path(self.config.data.paths[0]).name

    def _check_records(self) -> None:
        """Refuse before anything is published what no reader would take."""
        for each in self._subjects:
            try:
                decode_battery(each.key, encode_battery(each))
            except ValueError as fault:
                raise TopologyError(f"{each.key}: {fault}") from fault
        for subject, names in self.layout.values.items():
            if len(names) > MOST_SIGNALS:
                raise TopologyError(
                    f"{subject} has {len(names)} signals; at most {MOST_SIGNALS} are taken: "
                    "leave some out with a rule of: nothing"
                )

    def _first_ms(self) -> int:
        firsts = []
        for file in self.signal_files:
            reader = self._reader(file, _LEAST_SLICE)
            firsts.append(reader.next_slot())
            reader.close()
        known = [first for first in firsts if first is not None]
        if not known:
            raise ExportError(f"{self.files[0]}: no row has a usable time and value")
        return min(known)

    def _time(self, row: int) -> int:
        return self.first_ms + row * self.interval_ms

    def _row(self, time: int) -> int:
        return (time - self.first_ms) // self.interval_ms

    def _readers(self) -> list[SignalReader]:
        even = TEXT_BYTES // len(self.signal_files)
        size = self.slice_bytes or min(max(even, _LEAST_SLICE), _LARGEST_SLICE)
        return [self._reader(file, size) for file in self.signal_files]

    def _reader(self, file: SignalFile, size: int) -> SignalReader:
        interval_ms = file.interval_ms or self.interval_ms
        columns = [
            (column, self.mapped.targets[address])
            for column, address in file.addresses.items()
            if address in self.mapped.targets
        ]
        skew = skew_ms(self.config, interval_ms)
        if not file.head.regular and columns[0][1].of != "cells":
            interval_ms = min(interval_ms, _FINE_MS)
        return SignalReader(file.source, columns, file.head, interval_ms, skew, size, self.issues)


def _intervals(files: Sequence[SignalFile], roles: Mapped) -> dict[Target, int]:
    """Interval of each signal [ms]; the shortest of all where its file has a single row."""
    known = [file.interval_ms for file in files if file.interval_ms is not None]
    if not known:
        raise ExportError(
            f"{files[0].source.path}: has too few rows to tell the time between them; "
            "set data.interval, for instance to 15min"
        )
    return {
        roles.targets[address]: file.interval_ms or min(known)
        for file in files
        for address in file.addresses.values()
        if address in roles.targets
    }


def _remarks(unusable: Sequence[str], roles: Mapped) -> list[str]:
    found = list(unusable)
    if roles.unknown:
        found.append(f"not known to signals.rules: {len(roles.unknown):,} columns; add a rule")
        found += [f"  {line}" for line in with_nearest(roles.unknown, roles.targets)]
    found += without_meaning(roles)
    if roles.left_out:
        found.append(f"left out as signals.rules says: {len(roles.left_out):,} columns")
    return found


def _absent(layout: Layout, targets: Sequence[Target], config: Config) -> Iterator[str]:
    """Signals of systems that rules name by their meaning, and no column is."""
    there = {(each.name, each.signal) for each in targets if each.of == "system"}
    rules = [rule for rule in config.signals.rules if rule.of == "system"]
    for battery in layout.batteries:
        own = (each.signal for each in rules if each.system in (None, battery.system))
        absent = [name for name in own if name in MEANINGS and (battery.system, name) not in there]
        if absent:
            named = ", ".join(in_order(absent))
            yield f"{battery.system} has no {named}, which signals.rules names: no column is that"


def _missing(layout: Layout, targets: Sequence[Target]) -> list[str]:
    """Cells without a file although others of the pack have one."""
    there: dict[tuple[str, str, str], set[int]] = {}
    for each in targets:
        if each.of == "cells":
            there.setdefault((each.name, each.pack, each.signal), set()).add(each.cell)
    found = []
    for battery in layout.batteries:
        for pack, cells in battery.packs.items():
            for signal in sorted(layout.packs[battery.system, pack]):
                absent = set(range(1, cells + 1)) - there[battery.system, pack, signal]
                if absent:
                    named = ", ".join(in_order(map(str, absent)))
                    found.append(f"{battery.system} pack {pack} has no {signal} of cell {named}")
    return found


def _next_slot(readers: Sequence[SignalReader]) -> int | None:
    slots = [slot for reader in readers if (slot := reader.next_slot()) is not None]
    return min(slots, default=None)


def _all_times(samples: Sequence[Keyed]) -> Ints:
    """Times at which at least one record has a row."""
    return np.unique(np.concatenate([each.times for _, each in samples]))
