"""A full export of cells, one CSV a signal, to pyramids: ``bess process`` beside pandas.

``python -m bench.pyramids``; no services are needed. The export is that of requirement S4: 1,781
files, 630 days at 15 min; ``--days 60`` is a short one. It lies in a temporary folder, which is
deleted. pandas reads one file after the other and makes minimum, mean, maximum, p1 and p99 of each
signal in windows of 15 min, 1 h and a day: it judges no gaps and no clocks, and compares
no cell with its pack.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

SYSTEMS, PACKS, CELLS = 3, 5, 52
FILES = 1_781
START = date(2023, 6, 1)
ZONE = "Asia/Shanghai"
STEP_S = 900
CAPACITY_AH = 280
DISK_LEFT = 2 << 30
"""Bytes of disk that must be left beside the export."""
BYTES_A_ROW = 27
CONFIG = """\
data: {{paths: [{folder}/BESS, {folder}/meter], interval: 15min}}
parsing: {{timezone: {zone}}}
signals: {{preset: s4}}
battery: {{cells: 52, capacity_ah: {capacity}, energy_kwh: 233}}
"""
_OPTIONS = pacsv.WriteOptions(quoting_style="none", quoting_header="none")


@dataclass(frozen=True)
class Timed:
    """Wall-clock and CPU seconds and peak memory [MB] of a finished process."""

    seconds: float
    cpu: float
    peak_mb: float


def write_export(folder: Path, days: int) -> int:
    """Write the files and the configuration; gives their number.

    Cells swing together by day, as those of a pack do; the noise of each is drawn once for each
    kind and rolled for each file. Current and charge fit one another, nothing smokes.
    """
    rows = days * 86_400 // STEP_S
    walls = pd.date_range(pd.Timestamp(START), periods=rows, freq=f"{STEP_S}s")
    stamps = pa.array(walls.to_numpy().astype("datetime64[s]"))
    hours = np.arange(rows) * STEP_S / 3600
    rng = np.random.default_rng(1)
    swing = np.sin(2 * np.pi * (hours - 6) / 24)
    noise = rng.normal(0, 1, rows)
    soc = (50 + 40 * np.cumsum(swing) / max(1.0, np.abs(np.cumsum(swing)).max())).round(1)
    amperes = -np.diff(soc, prepend=soc[0]) / 100 * CAPACITY_AH * 3600 / STEP_S
    columns = {"c": amperes.round(1), "fire": np.zeros(rows), "other": soc}
    files = list(_names())
    for number, (name, kind) in enumerate(files):
        path = folder / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        column = columns.get(kind)
        if column is None:
            level, wide, far, digits = (3.3, 0.03, 0.001, 3) if kind == "v" else (25, 3, 0.1, 1)
            column = (level + wide * swing + far * np.roll(noise, 7 * number)).round(digits)
        table = pa.table({"ts": stamps, path.stem: pa.array(column)})
        pacsv.write_csv(table, path, _OPTIONS)
    (folder / "config.yaml").write_text(
        CONFIG.format(folder=folder, zone=ZONE, capacity=CAPACITY_AH), encoding="utf-8"
    )
    return len(files)


def _names() -> Iterator[tuple[str, str]]:
    """Names of all files and what they hold: cells of packs, signals of systems, meters."""
    for system in range(1, SYSTEMS + 1):
        for pack in range(1, PACKS + 1):
            for kind in "vt":
                for cell in range(1, CELLS + 1):
                    yield f"BESS/bess{system}/bms1_p{pack}_{kind}{cell}", kind
        for name in ("bms1_soc", "bms1_soh", "bms1_v", "bms1_c", "pcs1_ap", "pcs1_dcv", "pcs1_dcc"):
            yield f"BESS/bess{system}/{name}", {"bms1_c": "c"}.get(name, "other")
        for box in range(1, 11):
            for name in ("Co", "Voc", "ErrCode", "T1", "T2", "Level"):
                yield f"BESS/bess{system}/fa{box}_{name}", "fire"
    for meter in range(1, 5):
        for name in ("com_ap", "pos_ae", "neg_ae", "com_ae", "pf"):
            yield f"meter/m{meter}/{name}", "other"


def aggregate_by_pandas(folder: Path, out: Path) -> None:
    """The same pyramids file by file; one Parquet file a signal and level."""
    out.mkdir(parents=True)
    for path in sorted(folder.rglob("*.csv")):
        frame = pd.read_csv(path, parse_dates=["ts"])
        series = frame.set_index("ts")[path.stem].tz_localize(ZONE)
        for level in ("15min", "1h", "1D"):
            groups = series.resample(level)
            found = groups.agg(["min", "mean", "max", "count"])
            found[["p1", "p99"]] = groups.quantile([0.01, 0.99]).unstack()  # noqa: PD010
            found.to_parquet(out / f"{path.parent.name}-{path.stem}-{level}.parquet")


def timed(*command: str) -> Timed:
    """Run a Python command to its end."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    seconds = time.perf_counter() - start
    return Timed(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000)


def main() -> None:
    """Write, measure both, print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.pyramids", description=__doc__)
    parser.add_argument("--days", type=int, default=630)
    parser.add_argument("--dir", type=Path, help="where the temporary folder is made")
    parser.add_argument("--pandas", nargs=2, type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.pandas:
        aggregate_by_pandas(*chosen.pandas)
        return
    measure(chosen.days, chosen.dir)


def measure(days: int, directory: Path | None = None) -> None:
    """Measure in a folder of its own, for which there must be room."""
    needed = FILES * days * 86_400 // STEP_S * BYTES_A_ROW
    with tempfile.TemporaryDirectory(dir=directory) as name:
        folder = Path(name)
        free = shutil.disk_usage(folder).free
        if free < needed + DISK_LEFT:
            sys.exit(
                f"{folder}: {needed >> 20} MiB are needed and {free >> 20} are free; "
                "python -m bench.pyramids takes --dir, and fewer --days"
            )
        _measure(folder, days)


def _measure(folder: Path, days: int) -> None:
    begin = time.perf_counter()
    export = folder / "export"
    files = write_export(export, days)
    rows = days * 86_400 // STEP_S
    values = files * rows
    size = sum(path.stat().st_size for path in export.rglob("*.csv")) / 1e9
    end = START + timedelta(days=days)
    print(
        f"{files:,} files, {START} to {end} at 15 min: {values / 1e6:.0f} million values, ", end=""
    )
    print(f"{size:.2f} GB, written in {time.perf_counter() - begin:.0f} s", flush=True)
    config, tables = str(export / "config.yaml"), str(folder / "tables")
    ours = timed("-m", "stream_app", "process", "--config", config, "--out", tables)
    theirs = timed("-m", "bench.pyramids", "--pandas", str(export), str(folder / "pandas"))
    print(f"{'':<16}{'seconds':>9}{'CPU s':>9}{'million values/s':>18}{'peak MB':>9}")
    for name, run in (("bess process", ours), ("pandas", theirs)):
        speed = values / run.seconds / 1e6
        print(f"{name:<16}{run.seconds:>9.1f}{run.cpu:>9.1f}{speed:>18.2f}{run.peak_mb:>9.0f}")
    print(f"seconds of bess process to those of pandas: {ours.seconds / theirs.seconds:.2f}")


if __name__ == "__main__":
    main()
