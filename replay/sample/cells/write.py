"""Writing an export of cells: a file a signal, the config that reads it, and the truth."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from replay.localtime import Bools
from replay.sample.cells import model
from replay.sample.cells.faults import Fault, plan
from replay.sample.cells.signals import (
    BOXES,
    FLAGS,
    METER_SIGNALS,
    SYSTEM_SIGNALS,
    Extremes,
    Signals,
    ac_power_kw,
    flags,
    of_meter,
    of_system,
)
from replay.sample.cells.spec import CellSpec
from replay.sample.cells.truth import FOLDERS, Gap, config_text, truth_text
from replay.sample.spec import SampleError
from stream_app.core.energy import Floats, Ints

CONFIG, TRUTH = "config.yaml", "truth.yaml"
LARGEST_OFFSET_S = 4
_MISSING_FILES = 3
_GAPPED_PART, _LATE_PART = 0.1, 0.3
_LONGEST_GAP_ROWS = 30
_OPTIONS = pacsv.WriteOptions(quoting_style="none", quoting_header="none")


@dataclass
class CellReport:
    """What was written: number and size [bytes] of the files, rows of the longest, and faults."""

    directory: Path
    faults: tuple[Fault, ...]
    files: int = 0
    rows: int = 0
    size: int = 0
    missing: list[str] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.directory / CONFIG

    @property
    def truth(self) -> Path:
        return self.directory / TRUTH


def files_of(spec: CellSpec) -> int:
    """Files of an export from which none is missing."""
    of_a_system = 2 * spec.packs * spec.cells + len(SYSTEM_SIGNALS) + BOXES * len(FLAGS)
    return spec.systems * of_a_system + spec.meters * len(METER_SIGNALS)


def write_cells(
    directory: Path, spec: CellSpec, on_file: Callable[[], None] = lambda: None
) -> CellReport:
    """Write the export of ``spec``, its config and its truth into ``directory``.

    Parameters
    ----------
    on_file
        Called after each file.

    Raises
    ------
    SampleError
        The directory holds an export already.
    """
    _check_empty(directory)
    writer = _Writer(spec, CellReport(directory, plan(spec)), on_file)
    site_kw = np.zeros(spec.times.size)
    for number, name in enumerate(spec.system_names):
        site_kw += writer.system(number, name)
    for number in range(1, spec.meters + 1):
        writer.signals(f"meter/m{number}", of_meter(spec, number, site_kw))
    report = writer.report
    report.config.write_text(config_text(spec), encoding="utf-8")
    truth = truth_text(spec, report.faults, report.missing, report.gaps)
    report.truth.write_text(truth, encoding="utf-8")
    return report


class _Writer:
    """Files of one spec."""

    def __init__(self, spec: CellSpec, report: CellReport, on_file: Callable[[], None]) -> None:
        self.report = report
        self._spec, self._on_file = spec, on_file
        self._rng = np.random.default_rng([spec.seed, 4])
        # A fault that nothing measures could not be found by anybody.
        faulty = {_file_of(fault) for fault in report.faults}
        self._missing = _missing(spec) - faulty if spec.gaps else set()

    def system(self, number: int, name: str) -> Floats:
        """Write all files of a system, and give its power at the AC side [kW, + = discharge]."""
        spec, folder = self._spec, f"BESS/{name}"
        of, extremes = model.system(spec, number), Extremes(self._spec.times.size)
        faults = [fault for fault in self.report.faults if fault.system == name]
        for pack in range(1, spec.packs + 1):
            own = [fault for fault in faults if fault.pack == pack]
            volts, warmth = model.pack(spec, of, (number, pack), own)
            extremes.add(volts, warmth)
            self._cells(folder, f"bms1_p{pack}_v", volts)
            self._cells(folder, f"bms1_p{pack}_t", warmth)
        rng = np.random.default_rng([spec.seed, 6, number])
        self.signals(folder, of_system(of, extremes, rng))
        smoke = next((fault for fault in faults if fault.kind == "smoke"), None)
        self.signals(folder, flags(spec, of, smoke, rng))
        return ac_power_kw(of, extremes)

    def signals(self, folder: str, found: Signals) -> None:
        """Write a file for each."""
        for name, values in found.items():
            self._write(f"{folder}/{name}", values)

    def _cells(self, folder: str, name: str, values: Floats) -> None:
        for cell, column in enumerate(values.T, start=1):
            file = f"{folder}/{name}{cell}"
            if file in self._missing:
                self.report.missing.append(file)
            else:
                self._write(file, column)

    def _write(self, file: str, values: Floats | Ints) -> None:
        """Write one file, with the clock and the gaps of its own."""
        path = self.report.directory / f"{file}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        times, kept = self._times(), self._kept(file)
        instants = pd.DatetimeIndex(times[kept].astype("datetime64[ms]"), tz="UTC")
        walls = instants.tz_convert(self._spec.zone).tz_localize(None)
        stamps = pa.array(walls).cast(pa.timestamp("s"))
        table = pa.table({"ts": stamps, path.stem: pa.array(values[kept])})
        pacsv.write_csv(table, path, _OPTIONS)
        self.report.files += 1
        self.report.rows = max(self.report.rows, table.num_rows)
        self.report.size += path.stat().st_size
        self._on_file()

    def _times(self) -> Ints:
        """(n,) [ms UTC] by the clock of a file: some seconds beside, and not quite even."""
        times = self._spec.times
        most = min(LARGEST_OFFSET_S, (self._spec.interval_s - 1) // 4)
        if not self._spec.clocks or not most:
            return times
        offset = int(self._rng.integers(-most, most + 1))
        tremble = self._rng.integers(-1, 2, times.size)
        seconds: Ints = np.clip(offset + tremble, -most, most)
        return times + 1000 * seconds

    def _kept(self, file: str) -> Bools:
        """(n,) rows that a file has: one in ten lacks a stretch, often its beginning."""
        times, rng = self._spec.times, self._rng
        kept = np.ones(times.size, dtype=np.bool_)
        if self._spec.gaps and rng.random() < _GAPPED_PART:
            length = int(rng.integers(1, _LONGEST_GAP_ROWS + 1))
            anywhere = int(rng.integers(max(1, times.size - length)))
            first = 0 if rng.random() < _LATE_PART else anywhere
            last = min(first + length, times.size - 2)
            if first < last:
                kept[first:last] = False
                self.report.gaps.append(Gap(file, int(times[first]), int(times[last])))
        return kept


def _missing(spec: CellSpec) -> set[str]:
    """Files of cells that are not there."""
    rng = np.random.default_rng([spec.seed, 5])
    names = [
        f"BESS/{system}/bms1_p{pack}_{kind}{cell}"
        for system in spec.system_names
        for pack in range(1, spec.packs + 1)
        for kind in "vt"
        for cell in range(1, spec.cells + 1)
    ]
    return {names[int(each)] for each in rng.choice(len(names), _MISSING_FILES, replace=False)}


def _file_of(fault: Fault) -> str:
    """The file that shows a fault of a cell."""
    signal = "t" if fault.kind == "hot" else "v"
    return f"BESS/{fault.system}/bms1_p{fault.pack}_{signal}{fault.cell}"


def _check_empty(directory: Path) -> None:
    for folder in FOLDERS:
        if any((directory / folder).glob("*")):
            raise SampleError(
                f"{directory / folder} already holds an export, which config.yaml would read as "
                "well; take an empty directory or delete it"
            )
