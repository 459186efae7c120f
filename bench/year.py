"""A year of a 72-inverter station at 15 min: export to daily CSV, through Kafka and by pandas."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench.stream import BenchWorker, environment, worker
from replay.sample import SampleSpec, write_sample
from stream_app.settings import Settings
from stream_app.topics import create_topics

SPEC = SampleSpec(start=date(2024, 7, 1), days=365, inverters=72, enclosures="6", battery_columns=1)


@dataclass(frozen=True)
class Timed:
    """Wall-clock seconds and peak memory [MB] of a finished process."""

    seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Year:
    """The year through Kafka (replay, report), in one process, and by pandas alone."""

    replay: Timed
    report: Timed
    process: Timed
    pandas: Timed
    worker_mb: float
    equal: bool


def year(settings: Settings) -> Year:
    """Measure the year; the worker is up before the clock starts."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_sample(root / "export", SPEC)
        config = str(root / "export" / "config.yaml")
        asyncio.run(create_topics(settings))
        with worker(settings) as running:
            return _year(settings, root, config, running)


def _year(settings: Settings, root: Path, config: str, running: BenchWorker) -> Year:
    kafka, alone = root / "kafka", root / "process"
    replay = _bess(settings, "replay", "--config", config)
    report = _bess(settings, "report", "--config", config, "--out", str(kafka))
    worker_mb = running.peak_mb()
    process = _bess(settings, "process", "--config", config, "--out", str(alone))
    pandas = _timed(settings, "-m", "bench.pandas_year", config, str(root / "pandas.csv"))
    name = "daily_energy_by_enclosure.csv"
    equal = (kafka / name).read_bytes() == (alone / name).read_bytes()
    return Year(replay, report, process, pandas, worker_mb, equal)


def _bess(settings: Settings, *command: str) -> Timed:
    return _timed(settings, "-m", "stream_app", *command)


def _timed(settings: Settings, *command: str) -> Timed:
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command],
        env=environment(settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Timed(time.perf_counter() - start, usage.ru_maxrss / 1000)
