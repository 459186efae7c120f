"""Memory, open files and threads of the workers: I10."""

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PERIOD_S = 2.0
WARM_S = 60.0
"""Age from which a worker is judged."""
LONG_S = 600.0
"""Time that it must have been watched after that for a slope; a shorter life may have one step."""
STRETCHES = 5
MOST_RSS = 400 << 20
MOST_GROWTH_PER_H = 20 << 20
LARGEST_STEP = 24 << 20
"""Bytes that a worker may have more at the end of a life than when it was warm."""
"""Of a worker that is kicked about; the aim for one that is left alone is 1 MB an hour."""
MORE_FILES, MORE_THREADS = 30, 10


@dataclass(frozen=True)
class Vitals:
    """Of one process at one time: resident memory [bytes], open files, threads."""

    time: float
    rss: int
    files: int
    threads: int


def read(pid: int) -> Vitals | None:
    """From /proc; None for a process that is gone."""
    proc = Path("/proc") / str(pid)
    try:
        lines = (proc / "status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        rss = int(fields["VmRSS"].split()[0]) << 10
        files = len(list((proc / "fd").iterdir()))
        return Vitals(time.monotonic(), rss, files, int(fields["Threads"]))
    except (OSError, KeyError):
        return None


@dataclass
class Nurse:
    """Takes the vitals of processes; ``charts`` by process id."""

    pids: Callable[[], Mapping[int, int]]
    charts: dict[int, list[Vitals]] = field(default_factory=lambda: defaultdict(list))

    async def go_round(self) -> None:
        """Take them until cancelled."""
        while True:
            for pid in self.pids().values():
                found = read(pid)
                if found:
                    self.charts[pid].append(found)
            await asyncio.sleep(PERIOD_S)


def growth_per_h(chart: list[Vitals]) -> float | None:
    """Usual slope of the resident memory [bytes/h] once warm; None for a life too short to tell.

    The median of a few stretches: what an outage has piled up stays as one step, and a worker that
    loses memory does so all the time.
    """
    warm = [each for each in chart if each.time - chart[0].time >= WARM_S]
    if len(warm) < 3 * STRETCHES or warm[-1].time - warm[0].time < LONG_S:
        return None
    size = len(warm) // STRETCHES
    parts = (warm[place * size : (place + 1) * size] for place in range(STRETCHES))
    return statistics.median(map(_slope, parts)) * 3600


def _slope(part: list[Vitals]) -> float:
    return statistics.linear_regression([v.time for v in part], [v.rss for v in part]).slope


def write(charts: Mapping[int, list[Vitals]], path: Path) -> None:
    """All charts as one table."""
    rows = (
        f"{pid},{v.time:.0f},{v.rss},{v.files},{v.threads}\n" for pid in charts for v in charts[pid]
    )
    path.write_text("pid,time_s,rss_bytes,files,threads\n" + "".join(rows))


def flat(charts: Mapping[int, list[Vitals]]) -> list[str]:
    """I10: no worker grows, in memory, open files or threads."""
    words = []
    for pid, chart in charts.items():
        warm = [each for each in chart if each.time - chart[0].time >= WARM_S]
        peak, growth = max(v.rss for v in chart), growth_per_h(chart)
        if peak > MOST_RSS:
            words.append(f"worker {pid} came to {peak >> 20} MB")
        if growth is not None and growth > MOST_GROWTH_PER_H:
            words.append(f"worker {pid} grows by {growth / (1 << 20):.0f} MB an hour")
        if growth is None and warm and warm[-1].rss > warm[0].rss + LARGEST_STEP:
            words.append(f"worker {pid} went from {warm[0].rss >> 20} to {warm[-1].rss >> 20} MB")
        if warm and warm[-1].files > warm[0].files + MORE_FILES:
            words.append(f"worker {pid} went from {warm[0].files} to {warm[-1].files} open files")
        if warm and warm[-1].threads > warm[0].threads + MORE_THREADS:
            words.append(f"worker {pid} went from {warm[0].threads} to {warm[-1].threads} threads")
    return words
