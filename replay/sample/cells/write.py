"""Writing an export of cells: a file a signal, the config that reads it, and the truth."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import yaml

from replay.sample.cells import model
from replay.sample.cells.faults import Fault, plan, smoke
from replay.sample.cells.spec import CellSpec
from replay.sample.spec import UNITS_S, SampleError
from stream_app.core.energy import Floats, Ints

CONFIG, TRUTH = "config.yaml", "truth.yaml"
FOLDERS = ("BESS", "meter")
LARGEST_OFFSET_S = 4
_BOXES = 5
_FLAGS = ("Co", "Voc", "SmokeFlag", "ErrCode", "T1", "T2", "Level")
_MISSING_FILES = 3
_CONFIG = """\
# Reads the export beside it; truth.yaml says what is wrong with it.
data:
  paths: [{paths}]
  interval: {interval}

parsing:
  timezone: {zone}

signals:
  preset: s4

battery:
  cells: {cells}
  capacity_ah: {capacity:g}
  energy_kwh: {energy:g}
  commissioned: 2023-07-01
"""


@dataclass
class CellReport:
    """What was written: folder, number and size of the files, rows of the longest; the faults."""

    directory: Path
    faults: tuple[Fault, ...]
    files: int = 0
    rows: int = 0
    size: int = 0
    missing: list[str] = field(default_factory=list)
    gaps: list[dict[str, object]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.directory / CONFIG

    @property
    def truth(self) -> Path:
        return self.directory / TRUTH


def write_cells(
    directory: Path, spec: CellSpec, on_file: Callable[[int], None] = lambda _: None
) -> CellReport:
    """Write the export of ``spec``, its config and its truth into ``directory``.

    Parameters
    ----------
    on_file
        Told the number of files after each.

    Raises
    ------
    SampleError
        The directory holds an export already.
    """
    _check_empty(directory)
    report = CellReport(directory, plan(spec))
    writer = _Writer(directory, spec, report, on_file)
    power_kw = np.zeros(spec.times.size)
    for number, name in enumerate(spec.system_names):
        power_kw += writer.system(number, name)
    for number in range(1, spec.meters + 1):
        writer.meter(number, power_kw)
    report.config.write_text(config_text(spec), encoding="utf-8")
    report.truth.write_text(truth_text(spec, report), encoding="utf-8")
    return report


def files_of(spec: CellSpec) -> int:
    """Files of an export from which none is missing."""
    cells = 2 * spec.packs * spec.cells
    return spec.systems * (cells + len(_SIGNALS) + _BOXES * len(_FLAGS)) + spec.meters * 5


def config_text(spec: CellSpec) -> str:
    """Give the configuration that reads the export of ``spec``."""
    unit, size = next((u, s) for u, s in UNITS_S.items() if spec.interval_s % s == 0)
    volts = 3.2 * spec.packs * spec.cells
    return _CONFIG.format(
        paths=", ".join(FOLDERS if spec.meters else FOLDERS[:1]),
        interval=f"{spec.interval_s // size}{unit}",
        zone=spec.zone,
        cells=spec.cells,
        capacity=model.CAPACITY_AH,
        energy=round(model.CAPACITY_AH * volts / 1000),
    )


def truth_text(spec: CellSpec, report: CellReport) -> str:
    """Say what is wrong with the export, for programs that look for it."""
    faults = [
        {
            "kind": fault.kind,
            "system": fault.system,
            "pack": str(fault.pack) if fault.pack else None,
            "cell": fault.cell or None,
            "from": _iso(fault.start),
            "size": fault.size,
        }
        for fault in report.faults
    ]
    found = {
        "seed": spec.seed,
        "from": _iso(spec.span[0]),
        "to": _iso(spec.span[1]),
        "faults": faults,
        "missing_files": report.missing,
        "gaps": report.gaps,
    }
    return yaml.safe_dump(found, sort_keys=False)


_SIGNALS = (
    ("bms1_soc", "bms1_soh", "bms1_v", "bms1_c", "pcs1_ap", "pcs1_dcv", "pcs1_dcc")
    + ("bms1_cell_ave_v", "bms1_cell_max_v", "bms1_cell_min_v", "bms1_cell_v_diff")
    + ("bms1_cell_ave_t", "bms1_cell_max_t", "bms1_cell_min_t", "bms1_cell_t_diff")
)  # fmt: skip


class _Writer:
    """Files of one spec."""

    def __init__(
        self, directory: Path, spec: CellSpec, report: CellReport, on_file: Callable[[int], None]
    ) -> None:
        self._directory, self._spec, self._report = directory, spec, report
        self._on_file = on_file
        self._rng = np.random.default_rng([spec.seed, 4])
        rng = np.random.default_rng([spec.seed, 5])
        cells = 2 * spec.packs * spec.cells
        chosen = rng.choice(spec.systems * cells, _MISSING_FILES, replace=False)
        self._missing = {divmod(int(each), cells) for each in chosen} if spec.gaps else set()

    def system(self, number: int, name: str) -> Floats:
        """Write all files of a system, and give its power at the AC side [kW, + = discharge]."""
        spec, folder = self._spec, f"BESS/{name}"
        of = model.system(spec, number)
        extremes = _Extremes(spec.times.size)
        for pack in range(1, spec.packs + 1):
            faults = [
                each for each in self._report.faults if (each.system, each.pack) == (name, pack)
            ]
            volts, warmth = model.pack(spec, of, (number, pack), faults)
            extremes.add(volts, warmth)
            for kind, letter, values in ((0, "v", volts), (1, "t", warmth)):
                for cell in range(spec.cells):
                    place = ((pack - 1) * 2 + kind) * spec.cells + cell
                    self._cell(
                        folder, f"bms1_p{pack}_{letter}{cell + 1}", values[:, cell], (number, place)
                    )
        power_kw = of.current_a * extremes.sum_v / 1000
        ac_kw = np.where(
            power_kw > 0, power_kw * model.AC_EFFICIENCY, power_kw / model.AC_EFFICIENCY
        )
        rng = np.random.default_rng([spec.seed, 6, number])
        for signal, values in _signals(of, extremes, ac_kw, rng).items():
            self._write(folder, signal, values)
        for signal, values in self._flags(name, of, rng):
            self._write(folder, signal, values)
        return ac_kw

    def meter(self, number: int, site_kw: Floats) -> None:
        """Write the files of a meter: the first is the whole site's, the others are loads."""
        rng = np.random.default_rng([self._spec.seed, 7, number])
        hours = (self._spec.times - self._spec.span[0]) / 3_600_000
        load = (
            20 * number + 5 * np.sin(2 * np.pi * (hours - 6) / 24) + rng.normal(0, 0.3, hours.size)
        )
        taken_kw = np.round(load - site_kw if number == 1 else load, 2)
        step_h = self._spec.interval_s / 3600
        taken = np.round(1000 * number + np.cumsum(np.maximum(taken_kw, 0)) * step_h, 2)
        given = np.round(500 * number + np.cumsum(np.maximum(-taken_kw, 0)) * step_h, 2)
        factor = np.round(0.97 + rng.normal(0, 0.003, hours.size), 3)
        signals = {
            "com_ap": taken_kw,
            "pos_ae": taken,
            "neg_ae": given,
            "com_ae": np.round(taken + given, 2),
            "pf": factor,
        }
        for signal, values in signals.items():
            self._write(f"meter/m{number}", signal, values)

    def _cell(self, folder: str, signal: str, values: Floats, place: tuple[int, int]) -> None:
        if place in self._missing:
            self._report.missing.append(f"{folder}/{signal}")
        else:
            self._write(folder, signal, values)

    def _flags(
        self, name: str, of: model.System, rng: np.random.Generator
    ) -> Iterator[tuple[str, Floats | Ints]]:
        times = self._spec.times
        fault = next(
            (each for each in self._report.faults if (each.kind, each.system) == ("smoke", name)),
            None,
        )
        nothing = np.zeros(times.size, dtype=np.int64)
        for box in range(1, _BOXES + 1):
            flag = smoke(fault, times) if fault and box == 1 else nothing
            warm = np.round(of.ambient_c + 2 + rng.normal(0, 0.05, (2, times.size)), 1)
            gases = rng.integers(0, 3, (2, times.size))
            values = (*gases, flag, nothing, *warm, flag)
            for flag_name, column in zip(_FLAGS, values, strict=True):
                yield f"fa{box}_{flag_name}", column

    def _write(self, folder: str, signal: str, values: Floats | Ints) -> None:
        """Write one file, with the clock and the gaps of its own."""
        path = self._directory / folder / f"{signal}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        times = self._times()
        kept = self._kept(f"{folder}/{signal}", times.size)
        walls = pd.DatetimeIndex(times[kept].astype("datetime64[ms]"), tz="UTC")
        local = walls.tz_convert(self._spec.zone).tz_localize(None)
        stamps = pa.array(local).cast(pa.timestamp("s"))
        table = pa.table({"ts": stamps, signal: pa.array(values[kept])})
        pacsv.write_csv(table, path, pacsv.WriteOptions(quoting_style="none"))
        self._report.files += 1
        self._report.rows = max(self._report.rows, stamps.__len__())
        self._report.size += path.stat().st_size
        self._on_file(self._report.files)

    def _times(self) -> Ints:
        times = self._spec.times
        if not self._spec.clocks:
            return times
        most = min(LARGEST_OFFSET_S, (self._spec.interval_s - 1) // 4)
        offset = int(self._rng.integers(-most, most + 1))
        tremble = self._rng.integers(-1, 2, times.size) if most > 1 else 0
        return times + 1000 * np.maximum(offset + tremble, -most)

    def _kept(self, name: str, rows: int) -> np.ndarray:
        """(n,) rows that the file has: all, or all but a stretch in one file of ten."""
        kept = np.ones(rows, dtype=np.bool_)
        if self._spec.gaps and self._rng.random() < 0.1:
            length = int(self._rng.integers(1, 31))
            first = (
                0 if self._rng.random() < 0.3 else int(self._rng.integers(max(1, rows - length)))
            )
            last = min(first + length, rows - 2)
            kept[first:last] = False
            times = self._spec.times
            self._report.gaps.append(
                {"file": name, "from": _iso(int(times[first])), "to": _iso(int(times[last]))}
            )
        return kept


class _Extremes:
    """Sums and extremes over the packs of a system, each (n,)."""

    def __init__(self, rows: int) -> None:
        self.sum_v, self.sum_c = np.zeros(rows), np.zeros(rows)
        self.max_v, self.max_c = np.full(rows, -np.inf), np.full(rows, -np.inf)
        self.min_v, self.min_c = np.full(rows, np.inf), np.full(rows, np.inf)
        self.cells = 0

    def add(self, volts: Floats, warmth: Floats) -> None:
        """Take in a pack."""
        self.cells += volts.shape[1]
        self.sum_v += volts.sum(axis=1)
        self.sum_c += warmth.sum(axis=1)
        self.max_v = np.maximum(self.max_v, volts.max(axis=1))
        self.min_v = np.minimum(self.min_v, volts.min(axis=1))
        self.max_c = np.maximum(self.max_c, warmth.max(axis=1))
        self.min_c = np.minimum(self.min_c, warmth.min(axis=1))


def _signals(
    of: model.System, cells: _Extremes, ac_kw: Floats, rng: np.random.Generator
) -> Mapping[str, Floats]:
    current = np.round(of.current_a + rng.normal(0, 0.05, of.current_a.size), 1)
    current[of.current_a == 0] = 0.0
    soh = np.full(of.soc.size, 97.4)
    values = (
        (np.round(100 * of.soc, 1), soh, np.round(cells.sum_v, 1), current)
        + (np.round(ac_kw, 1), np.round(cells.sum_v - 0.3, 1), current)
        + (np.round(cells.sum_v / cells.cells, 3), cells.max_v, cells.min_v)
        + (np.round(cells.max_v - cells.min_v, 3), np.round(cells.sum_c / cells.cells, 1))
        + (cells.max_c, cells.min_c, np.round(cells.max_c - cells.min_c, 1))
    )  # fmt: skip
    return dict(zip(_SIGNALS, values, strict=True))


def _check_empty(directory: Path) -> None:
    for folder in FOLDERS:
        if any((directory / folder).glob("*")):
            raise SampleError(
                f"{directory / folder} already holds an export, which config.yaml would read as "
                "well; take an empty directory or delete it"
            )


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, tz=UTC).isoformat(timespec="seconds")
