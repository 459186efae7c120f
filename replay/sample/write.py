"""Writing a sample export, a row group at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from replay.sample.defects import Defect, of_kind, plan
from replay.sample.spec import TIMESTAMP, UNITS_S, SampleError, SampleSpec
from replay.sample.station import INPUT_RATING_KW, Station, Stretch

ROW_GROUP_ROWS = 2976
"""A month at 15 minutes; with 3,600 columns about 60 MB."""
CONFIG = "config.yaml"
_CONFIG = """\
data:
  paths:
    - "*.{format}"
  interval: {interval}

parsing:
  timestamp_col: {timestamp}
  timezone: {zone}

power:
  dc_input_power_regex: >-
    ^BESS(?P<input>[12]) DC Input Power \\(kW\\) \\[Battery Inverter (?P<inv>[^\\]]+)\\]$

energy:
  rating_kw: {rating_kw:g}

allocation:
  battery_system_regex: '\\[Battery system (?P<eid>[^\\]]+)\\]'
  split_6: [3, 3]
  split_4: [2, 2]

output:
  dir: out
  daily_table_file: daily_energy_by_enclosure.csv
  outliers_file: outliers_bottom5.csv
  heatmap_file: discharged_heatmap.png
"""
_TIMES = {"day": "%Y-%m-%d", "month": "%Y-%m", "one": ""}


@dataclass(frozen=True)
class FileWritten:
    """One file of an export."""

    path: Path
    rows: int
    size: int


@dataclass(frozen=True)
class SampleReport:
    """What was written: files, their config, columns and rows, defects and their places."""

    files: tuple[FileWritten, ...]
    config: Path
    columns: int
    rows: int
    defects: tuple[Defect, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(each.size for each in self.files)


def write_sample(
    directory: Path, spec: SampleSpec, on_rows: Callable[[int], None] = lambda _: None
) -> SampleReport:
    """Write the export of ``spec`` and its config into ``directory``.

    Parameters
    ----------
    on_rows
        Told the number of rows after each stretch that was made.

    Raises
    ------
    SampleError
        The directory holds an export that this one would not replace.
    """
    station = Station(spec)
    writer = _Writer(spec, station, plan(spec, station.weak_input), on_rows)
    parts = [(directory / name, days) for name, days in _parts(spec)]
    directory.mkdir(parents=True, exist_ok=True)
    _check_no_others(directory, spec, [path for path, _ in parts])
    files = tuple(writer.write(number, *part) for number, part in enumerate(parts))
    config = directory / CONFIG
    config.write_text(config_text(spec), encoding="utf-8")
    rows = sum(each.rows for each in files)
    return SampleReport(files, config, len(writer.columns) + 1, rows, writer.defects)


def config_text(spec: SampleSpec) -> str:
    """Give the configuration that reads the export of ``spec``."""
    unit, size = next((u, s) for u, s in UNITS_S.items() if spec.interval_s % s == 0)
    return _CONFIG.format(
        format=spec.format,
        interval=f"{spec.interval_s // size}{unit}",
        timestamp=TIMESTAMP,
        zone=spec.zone,
        rating_kw=INPUT_RATING_KW * 1.05,
    )


def _parts(spec: SampleSpec) -> Iterator[tuple[str, list[date]]]:
    for label, days in groupby(
        spec.days_of_span, key=lambda day: day.strftime(_TIMES[spec.files_per])
    ):
        yield f"station{'_' * bool(label)}{label}.{spec.format}", list(days)


def _check_no_others(directory: Path, spec: SampleSpec, ours: Sequence[Path]) -> None:
    others = sorted(set(directory.glob(f"*.{spec.format}")) - set(ours))
    if others:
        names = ", ".join(path.name for path in others[:3]) + (", ..." if len(others) > 3 else "")
        raise SampleError(
            f"{directory} already holds {names}, which config.yaml would read as well; "
            "take an empty directory or delete them"
        )


class _Writer:
    """Files of one spec."""

    def __init__(
        self,
        spec: SampleSpec,
        station: Station,
        defects: tuple[Defect, ...],
        on_rows: Callable[[int], None],
    ) -> None:
        self.spec, self.station, self.defects, self.on_rows = spec, station, defects, on_rows
        self.columns = (*spec.power_columns, *spec.battery_column_names)
        self.place = {name: place for place, name in enumerate(self.columns)}

    def write(self, number: int, path: Path, days: Sequence[date]) -> FileWritten:
        """Write the days to ``path``, which appears only when it is whole."""
        schema = self._schema(number, days)
        unfinished = path.with_name(path.name + ".part")
        rows = 0
        with closing(_open(unfinished, schema)) as sink:
            for table in self._tables(days, schema):
                sink.write_table(table)
                rows += table.num_rows
        unfinished.replace(path)
        return FileWritten(path, rows, path.stat().st_size)

    def _schema(self, number: int, days: Sequence[date]) -> pa.Schema:
        texts = {
            name for each in of_kind(self._defects_of(days), "text cell") for name in each.columns
        }
        powers = len(self.spec.power_columns)
        time = pa.timestamp("ms", tz=None if self.spec.clock_change else self.spec.zone)
        fields = [pa.field(TIMESTAMP, time)]
        for place, name in enumerate(self.columns):
            kind = pa.float64() if place < powers else pa.float32()
            fields.append(pa.field(name, pa.string() if name in texts else kind))
        if self.spec.shuffle:
            order = np.random.default_rng([self.spec.seed, 4, number]).permutation(len(fields))
            fields = [fields[place] for place in order]
        return pa.schema(fields)

    def _defects_of(self, days: Sequence[date]) -> list[Defect]:
        local = [(each, self._local_date(each.start)) for each in self.defects]
        return [each for each, day in local if days[0] <= day <= days[-1]]

    def _local_date(self, instant: int) -> date:
        return pd.Timestamp(instant, unit="ms", tz=self.spec.zone).date()

    def _tables(self, days: Sequence[date], schema: pa.Schema) -> Iterator[pa.Table]:
        waiting: list[Stretch] = []
        for stretch in (each for day in days for each in self.station.stretches(day)):
            self.on_rows(stretch.times.size)
            waiting.append(stretch)
            if sum(each.times.size for each in waiting) + stretch.times.size > ROW_GROUP_ROWS:
                yield self._table(waiting, schema)
                waiting = []
        if waiting:
            yield self._table(waiting, schema)

    def _table(self, stretches: Sequence[Stretch], schema: pa.Schema) -> pa.Table:
        times = np.concatenate([each.times for each in stretches])
        power = np.concatenate([each.power_kw for each in stretches], axis=1)
        readings = np.concatenate([each.readings for each in stretches], axis=1)
        for each in of_kind(self.defects, "missing cells", "empty cell"):
            self._blank(each, times, power, readings)
        arrays = {
            name: pa.array(values, from_pandas=True)
            for name, values in zip(self.columns, [*power, *readings], strict=True)
        }
        for name in schema.names:
            if pa.types.is_string(schema.field(name).type):
                arrays[name] = self._with_texts(name, times, arrays[name])
        arrays[TIMESTAMP] = self._timestamps(times)
        table = pa.table([arrays[name] for name in schema.names], schema=schema)
        return self._without_missing_rows(table, times)

    def _blank(
        self, defect: Defect, times: NDArray[np.int64], *blocks: NDArray[np.floating]
    ) -> None:
        rows = np.flatnonzero(defect.rows(times))
        if rows.size:
            for name in defect.columns:
                place, powers = self.place[name], blocks[0].shape[0]
                block, row = (blocks[0], place) if place < powers else (blocks[1], place - powers)
                block[row, rows] = np.nan

    def _with_texts(self, name: str, times: NDArray[np.int64], values: pa.Array) -> pa.Array:
        cells = pc.cast(values, pa.string()).to_pylist()
        for each in of_kind(self.defects, "text cell"):
            if name in each.columns:
                for row in np.flatnonzero(each.rows(times)).tolist():
                    cells[row] = each.text
        return pa.array(cells, pa.string())

    def _timestamps(self, times: NDArray[np.int64]) -> pa.Array:
        zoned = pd.DatetimeIndex(times.astype("datetime64[ms]"), tz="UTC").tz_convert(
            self.spec.zone
        )
        if self.spec.clock_change:
            zoned = zoned.tz_localize(None)
        return pa.array(zoned)

    def _without_missing_rows(self, table: pa.Table, times: NDArray[np.int64]) -> pa.Table:
        missing = np.zeros(times.size, dtype=np.bool_)
        for each in of_kind(self.defects, "missing rows"):
            missing |= each.rows(times)
        return table.filter(pa.array(~missing)) if missing.any() else table


def _open(path: Path, schema: pa.Schema) -> "pa.parquet.ParquetWriter | _CsvSink":
    if path.name.endswith(".parquet.part"):
        return pa.parquet.ParquetWriter(path, schema, compression="zstd")
    return _CsvSink(path, schema)


class _CsvSink:
    """CSV behind the calls of a parquet writer; naive times without fractions of a second."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.at = schema.get_field_index(TIMESTAMP)
        zone = schema.field(self.at).type.tz
        self.time = pa.field(TIMESTAMP, pa.timestamp("s", tz=zone))
        options = pa.csv.WriteOptions(quoting_style="needed")
        self.writer = pa.csv.CSVWriter(path, schema.set(self.at, self.time), write_options=options)

    def write_table(self, table: pa.Table) -> None:
        times = table.column(self.at).cast(self.time.type)
        self.writer.write_table(table.set_column(self.at, self.time, times))

    def close(self) -> None:
        self.writer.close()
