"""A real worker process over a filled topic."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.workload import Workload
from stream_app.settings import Settings

UNGUARDED = "bench.uncommitted"
RESULTS = "BENCH_RESULTS"
"""Variable that has :mod:`bench.uncommitted` publish its results."""

POLL_S = 0.2
"""Looking 20 times a second took 7 % of a worker under packed cells."""
LIMIT_S = 300.0
RECORDS = "bess_pipeline_records_total"


@dataclass(frozen=True)
class Run:
    """What a worker took for all records: seconds, of them CPU, and its peak memory."""

    seconds: float
    cpu: float
    peak_mb: float
    metrics: dict[str, float]


class BenchWorker:
    """A worker process whose metrics can be read."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process, self._log = process, log
        self._url = ""
        self._wait(self._is_ready)

    def run(self, records: int) -> Run:
        """Wait until ``records`` are committed; the pace is that from the first commit to the last.

        A worker that is seen to be ready may have folded chunks already.
        """
        self.until(1)
        start, before, first = time.perf_counter(), self.cpu_seconds(), self._committed()
        self.check(f"all {records} records came in one commit", first >= records)
        self.until(records)
        share = records / (records - first)
        seconds, cpu = time.perf_counter() - start, self.cpu_seconds() - before
        return Run(seconds * share, cpu * share, self.peak_mb(), self.metrics())

    def until(self, records: int) -> None:
        """Wait until so many records are committed."""
        self._wait(lambda: self._committed() >= records)

    def _committed(self) -> float:
        """That number alone: all metrics some times a second would take half of the worker."""
        return self.metrics(f"?name[]={RECORDS}").get(RECORDS, 0.0)

    def metrics(self, which: str = "") -> dict[str, float]:
        with urllib.request.urlopen(f"{self._url}/metrics{which}", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def peak_mb(self) -> float:
        """Peak resident memory [MB], as Linux counts it."""
        return self._status_mb("VmHWM")

    def memory_mb(self) -> float:
        """Resident memory [MB]."""
        return self._status_mb("VmRSS")

    def cpu_seconds(self) -> float:
        """Processor time of all threads so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        user, system = stat.rpartition(") ")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def _status_mb(self, name: str) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1000

    def _is_ready(self) -> bool:
        port = re.search(r"metrics at http://[^:]+:(\d+)", self._log.read_text())
        if port is None:
            return False
        self._url = f"http://127.0.0.1:{port[1]}"
        try:
            with urllib.request.urlopen(f"{self._url}/readyz", timeout=10):
                return True
        except OSError:
            return False

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            self.check("the worker did not get there", time.monotonic() > deadline)
            time.sleep(POLL_S)

    def check(self, what: str, failed: bool = False) -> None:
        """Raise an error with the end of the log where something failed or the worker ended."""
        if failed or self.process.poll() is not None:
            raise RuntimeError(f"{what}:\n{self._log.read_text()[-2000:]}")


@contextmanager
def worker(
    settings: Settings, module: str = "stream_app", **variables: str
) -> Iterator[BenchWorker]:
    """A worker that is ready; it is told to stop at the end."""
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "worker"],
            env=environment(settings) | variables,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield BenchWorker(process, Path(log.name))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def variants(settings: Settings, load: Workload) -> tuple[Run, Run, Run]:
    """The worker; one that guards nothing; one that drops its results. Over the same records."""
    dropped = _run(worker(settings, UNGUARDED), load)
    plain = {"BESS_DELIVERY": "at_least_once", RESULTS: "yes"}
    published = _run(worker(settings, UNGUARDED, **plain), load)
    return _run(worker(settings), load), published, dropped


def _run(starting: AbstractContextManager[BenchWorker], load: Workload) -> Run:
    with starting as running:
        return running.run(load.total_records)


def middle(runs: Sequence[Run]) -> Run:
    """The run of the median time."""
    return sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]


def environment(settings: Settings) -> dict[str, str]:
    """Environment for a command of the deployment."""
    ours = {
        "BESS_BROKERS": settings.brokers,
        "BESS_REDIS_URL": settings.redis_url.get_secret_value(),
        "BESS_PREFIX": settings.prefix,
        "BESS_PARTITIONS": str(settings.partitions),
        "BESS_DELIVERY": settings.delivery,
        "BESS_METRICS_PORT": "0",
    }
    return {**os.environ, **ours}
