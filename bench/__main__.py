"""``make bench``: the stream beside its baselines, on local services, one run."""

import argparse
import asyncio
import logging
import os
import platform
import re
import subprocess
import sys
import uuid
from pathlib import Path
from statistics import median

from pydantic import SecretStr

from bench import baselines, batteries, pyramids, recovery, stream, workload, year
from bench.workload import BLOCKS_1MIN, BLOCKS_1S, THIN, Workload
from deploy.local import Endpoints, endpoints
from schemas.topics import TELEMETRY
from stream_app.settings import Settings

STOCK_LIMIT_S = 120


def main() -> None:
    """Run the chosen parts and print a table each."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parts = {
        "stream": _stream,
        "cells": _cells,
        "year": _year,
        "pyramids": _pyramids,
        "recovery": _recovery,
        "fleet": _fleet,
    }
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="all by default")
    parser.add_argument("--rounds", type=int, default=3, help="of the stream; the middle is told")
    parser.add_argument("--minutes", type=int, default=5, help="of each fleet in real time")
    parser.add_argument("--days", type=int, default=630, help="of the export for pyramids")
    options = parser.parse_args()
    chosen = options.parts or list(parts)
    # A broker that does not lead a new partition yet is asked again; the tables shall stay legible.
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}")
    with endpoints() as services:
        for name in chosen:
            print(f"\n{name}: about {_minutes(name, options)} min", flush=True)
            parts[name](services, options)


def _stream(services: Endpoints, options: argparse.Namespace) -> None:
    print(f"{'what':<52}{'records/s':>12}{'samples/s':>13}{'peak MB':>9}")
    for load in (THIN, BLOCKS_1S, BLOCKS_1MIN):
        rounds, bare = [], []
        for _ in range(options.rounds):
            settings = _settings(services)
            asyncio.run(workload.publish(settings, load))
            # First, so that the broker has read the topic once before any worker does.
            bare.append(asyncio.run(baselines.bare_loop(settings, load.total_records)))
            rounds.append(stream.variants(settings, load))
        guarded, unguarded, dropped = map(stream.middle, zip(*rounds, strict=True))
        total = load.total_records
        _row(f"worker, {load.title}", load, total, guarded.seconds, guarded.peak_mb)
        _row("the same, results published, nothing guarded", load, total, unguarded.seconds)
        _row("the same, results dropped", load, total, dropped.seconds)
        for what, base in (("commit and flush", unguarded), ("results included", dropped)):
            time, cpu = 1 - base.seconds / guarded.seconds, 1 - base.cpu / guarded.cpu
            print(f"    {what}: {time:.1%} of the time, {cpu:.1%} of the processor's", flush=True)
        _row("bare aiokafka and msgspec loop", load, total, median(bare))
        if load is THIN:
            records = baselines.STOCK_RECORDS
            _row("stock Faust agent with a table", load, records, _stock(settings, records))


def _cells(services: Endpoints, _: argparse.Namespace) -> None:
    print(f"{'million cell values/s, 16 systems of 5 x 52 cells':<52}{'bare loop':>11}", end="")
    print(f"{'worker':>9}{'ratio':>8}{'peak MB':>9}")
    for load in batteries.LOADS:
        settings = _settings(services)
        asyncio.run(batteries.publish(settings, load))
        with stream.worker(settings) as running:
            run = running.run(load.total_records)
        bare = asyncio.run(batteries.bare_loop(settings, load))
        speeds = [load.values / 1e6 / seconds for seconds in (bare, run.seconds)]
        ratio = speeds[1] / speeds[0]
        print(f"{load.title:<52}{speeds[0]:>11.1f}{speeds[1]:>9.1f}{ratio:>8.2f}", end="")
        print(f"{run.peak_mb:>9.0f}", flush=True)


def _fleet(services: Endpoints, options: argparse.Namespace) -> None:
    for rows in (1, 10):
        fleet = batteries.Fleet(options.minutes, rows)
        settings = _settings(services)
        print(fleet.title, flush=True)
        announced = asyncio.run(batteries.announce(settings, fleet))
        with stream.worker(settings) as running:
            running.until(announced)
            found = asyncio.run(batteries.course(settings, fleet, running))
        for number, (usual, largest) in enumerate(found.minutes(), 1):
            print(f"  minute {number}: lag {usual:6.2f} s in the median, {largest:6.2f} s at most")
        before, after = found.memory
        print(
            f"  worker: {found.cpu:.0%} of a core, {before:.0f} MB before, {after:.0f} MB after",
            end="",
        )
        print(f"; the sender was {found.behind:.2f} s late at most, ", end="")
        print(f"metrics timed out {found.unread} times", flush=True)


def _minutes(part: str, options: argparse.Namespace) -> int:
    days, minutes = int(options.days), int(options.minutes)
    known = {"stream": 1 + 2 * int(options.rounds), "cells": 6, "year": 1, "recovery": 3}
    return (known | {"pyramids": 1 + days // 40, "fleet": 2 * minutes + 1})[part]


def _pyramids(_: Endpoints, options: argparse.Namespace) -> None:
    pyramids.measure(options.days)


def _year(services: Endpoints, _: argparse.Namespace) -> None:
    found = year.year(_settings(services))
    spec = year.SPEC
    samples = spec.days * 86_400 // spec.interval_s * spec.inverters * 2
    print(f"\na year of {spec.inverters} inverters at 15 min: {samples:,} samples, parquet to CSV")
    through = found.replay.seconds + found.report.seconds
    print(f"  through Kafka   {through:6.1f} s  replay {found.replay.seconds:.1f} s, then report")
    print(f"  bess process    {found.process.seconds:6.1f} s  peak {found.process.peak_mb:.0f} MB")
    print(f"  pandas alone    {found.pandas.seconds:6.1f} s  peak {found.pandas.peak_mb:.0f} MB")
    print(
        f"  peak memory     worker {found.worker_mb:.0f} MB, replay {found.replay.peak_mb:.0f} MB"
    )
    print(f"  CSV by Kafka and by process byte-equal: {found.equal}")


def _recovery(services: Endpoints, _: argparse.Namespace) -> None:
    found = asyncio.run(recovery.recovery(_settings(services)))
    print(f"\n{recovery.FLEET.title}")
    print(f"  start of a worker to ready, Redis as it was {found.start:13.1f} s")
    print(f"  the same with Redis emptied                 {found.rebuild:13.1f} s")
    print(f"  Redis emptied under a worker, until whole   {found.mend:13.1f} s")
    print(f"  kill -9 of one of two, until all go on      {found.kill:13.1f} s", flush=True)


def _row(what: str, load: Workload, records: int, seconds: float, peak: float = 0.0) -> None:
    samples = load.power_samples * records / load.total_records
    memory = f"{peak:9.0f}" if peak else ""
    print(f"{what:<52}{records / seconds:>12,.0f}{samples / seconds:>13,.0f}{memory}", flush=True)


def _stock(settings: Settings, records: int) -> float:
    topic = TELEMETRY.name(settings.prefix)
    call = f"stock_faust({settings.brokers!r}, {topic!r}, {settings.partitions}, {records})"
    finished = subprocess.run(
        [sys.executable, "-c", f"from bench.baselines import stock_faust; {call}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[1],
        timeout=STOCK_LIMIT_S,
        check=True,
    )
    return float(re.findall(r"\d+\.\d+", finished.stdout)[-1])


def _settings(services: Endpoints) -> Settings:
    return Settings(
        brokers=services.brokers,
        redis_url=SecretStr(services.redis_url),
        prefix=f"bench-{uuid.uuid4().hex[:6]}",
    )


if __name__ == "__main__":
    main()
