"""Three stations through the commands: the stream writes the files of a run without it."""

import csv
import os
import re
import signal
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from schemas.topics import PROGRESS
from stream_app.settings import Settings
from tests.kafka.support import Deployment
from tests.oracle.energy import daily_energy
from tests.system.commands import Running, finish, kill, metrics, start, wait

DAILY = "daily_energy_by_enclosure.csv"
FILES = [DAILY, "discharged_heatmap.png", "outliers_bottom5.csv"]
DAY_S = 86_400


@dataclass(frozen=True)
class Station:
    """A station of the fleet: how its export is made, and what is known of it."""

    site: str
    zone: str
    interval_s: int
    days: int
    sample: str

    def arguments(self) -> list[str]:
        named = f"--zone {self.zone} --interval {self.interval_s}s --days {self.days}"
        return [*named.split(), *self.sample.split()]


STATIONS = [
    Station(
        "six_turned_back",
        "Australia/Sydney",
        900,
        6,
        "--start 2025-04-03 --inverters 3 --enclosures 6 --seed 11 --files-per day",
    ),
    Station(
        "four_by_the_minute",
        "Australia/Sydney",
        60,
        2,
        "--start 2025-06-30 --inverters 3 --enclosures 4 --seed 5",
    ),
    Station(
        "mixed_turned_forward",
        "Europe/Berlin",
        900,
        5,
        "--start 2025-03-28 --inverters 4 --enclosures mixed --seed 3 --format csv",
    ),
]


@dataclass(frozen=True)
class Written:
    """The export of a station, and what ``bess process`` makes of it."""

    station: Station
    config: Path
    expected: dict[str, bytes]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> list[Written]:
    root = tmp_path_factory.mktemp("fleet")
    for each in STATIONS:
        finish(start(os.environ, "sample", root / each.site, *each.arguments()))
        config = root / each.site / "config.yaml"
        config.write_text(f"site: {each.site}\n{config.read_text()}")
    configs = [root / each.site / "config.yaml" for each in STATIONS]
    every = [start(os.environ, "process", "--config", config) for config in configs]
    for process in every:
        finish(process)
    return [
        Written(station, config, files(config.parent / "out"))
        for station, config in zip(STATIONS, configs, strict=True)
    ]


@pytest.fixture
def deployment(brokers: str, redis_url: str, prefix: str, tmp_path: Path) -> Deployment:
    settings = Settings(
        brokers=brokers,
        redis_url=SecretStr(redis_url),
        prefix=prefix,
        partitions=4,
        chunk_records=200,
        session_timeout_s=6,
    )
    deployment = Deployment(settings, tmp_path)
    finish(start(deployment.environment(), "topics", "create"))
    return deployment


@pytest.mark.parametrize("number", range(len(STATIONS)), ids=[each.site for each in STATIONS])
def test_process_writes_the_energy_of_the_independent_computation(
    fleet: list[Written], number: int
) -> None:
    written = fleet[number]
    station, folder = written.station, written.config.parent
    exports = sorted([*folder.glob("*.parquet"), *folder.glob("*.csv")])

    expected = daily_energy(
        exports, station.zone, station.interval_s, 3 * station.interval_s, "trapezoid"
    )

    produced = energy(folder / "out" / DAILY)
    assert len({day for day, _ in expected}) == station.days
    assert produced.keys() == expected.keys()
    for day, figures in produced.items():
        assert figures == pytest.approx(expected[day], abs=1e-6), day


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("replay_s", "block_rows", "workers"),
    [(None, 500, 1), (None, 1, 2), (None, 7, 1), (4, 500, 2)],
)
async def test_a_fleet_in_one_stream_gives_the_files_of_each_station_alone(
    fleet: list[Written],
    deployment: Deployment,
    replay_s: int | None,
    block_rows: int,
    workers: int,
) -> None:
    with ExitStack() as running:
        for _ in range(workers):
            running.enter_context(deployment.worker())
        await ready(deployment, workers)

        replays = replay(deployment, fleet, replay_s, "--block-rows", str(block_rows))
        told = [finish(each) for each in replays]
        produced = reports(deployment, fleet)
        folded = [each["bess_pipeline_records_total"] for each in await ready(deployment, workers)]

    assert other_than_alone(produced, fleet) == []
    assert min(folded) > 0, "a worker had nothing to do"
    assert min(map(seconds, told)) >= 0.9 * (replay_s or 0), "not throttled"


@pytest.mark.kafka
async def test_a_worker_killed_in_the_middle_of_a_replay_leaves_no_trace_in_the_files(
    fleet: list[Written], deployment: Deployment
) -> None:
    with deployment.worker() as first:
        await ready(deployment, 1)
        replays = replay(deployment, fleet, 6, "--block-rows", "50")
        await deployment.wait_for_committed(40)
        first.kill()
        assert first.wait() == -signal.SIGKILL
        assert [each.poll() for each in replays] == [None] * len(fleet), "not in the middle"
    with deployment.worker():
        for each in replays:
            finish(each)
        produced = reports(deployment, fleet)

    assert other_than_alone(produced, fleet) == []


@pytest.mark.kafka
async def test_a_replay_killed_in_the_middle_and_run_again_leaves_no_trace_in_the_files(
    fleet: list[Written], deployment: Deployment
) -> None:
    with deployment.worker():
        replays = replay(deployment, fleet, 20, "--block-rows", "7")
        await deployment.wait_for("progress of each replay", lambda: all_began(deployment))
        assert [kill(each) for each in replays] == [-signal.SIGKILL] * len(fleet)
        told = [finish(each) for each in replay(deployment, fleet, None)]
        produced = reports(deployment, fleet)

    assert all(": complete, resumed at row" in each for each in told)
    assert other_than_alone(produced, fleet) == []


@pytest.mark.kafka
async def test_the_same_data_replayed_by_several_at_once_is_counted_once(
    fleet: list[Written], deployment: Deployment
) -> None:
    one = fleet[:1]
    with deployment.worker():
        running = [
            *replay(deployment, one, 8, "--block-rows", "50", "--to", "2030-01-01"),
            *replay(deployment, one, 8, "--block-rows", "50"),
            *replay(deployment, one, 8, "--block-rows", "50"),
        ]
        ended = [wait(each) for each in running]
        produced = reports(deployment, one)

    assert sorted(status for status, _ in ended) == [0, 0, 2]
    beaten = next(err for status, err in ended if status)
    assert "another run of the same replay" in beaten
    assert "Traceback" not in beaten
    assert "never retrieved" not in beaten
    assert other_than_alone(produced, one) == []


async def ready(deployment: Deployment, count: int) -> list[dict[str, float]]:
    """Wait until all workers are ready; gives the metrics of each."""
    found: list[dict[str, float]] = []

    async def all_ready() -> bool:
        answers = map(metrics, sorted(deployment.logs.glob("worker-*.log")))
        found[:] = [each for each in answers if each is not None]
        return len(found) == count

    await deployment.wait_for(f"{count} workers being ready", all_ready)
    return found


async def all_began(deployment: Deployment) -> bool:
    return len({record.key for record in await deployment.read(PROGRESS)}) == len(STATIONS)


def replay(
    deployment: Deployment, fleet: Sequence[Written], replay_s: int | None, *options: str
) -> list[Running]:
    """Start the replays of all stations, each to take so many seconds, or none."""
    return [
        start(
            deployment.environment(),
            "replay",
            "--config",
            each.config,
            "--speed",
            "max" if replay_s is None else str(each.station.days * DAY_S / replay_s),
            *options,
        )
        for each in fleet
    ]


def reports(deployment: Deployment, fleet: Sequence[Written]) -> dict[str, dict[str, bytes]]:
    """Files of each site that ``bess report`` writes, once the workers are done."""
    folders = {each.station.site: deployment.logs / each.station.site for each in fleet}
    environment = deployment.environment()
    running = [
        start(environment, "report", "--config", each.config, "--out", folders[each.station.site])
        for each in fleet
    ]
    for each in running:
        finish(each)
    return {site: files(folder) for site, folder in folders.items()}


def other_than_alone(
    produced: Mapping[str, Mapping[str, bytes]], fleet: Sequence[Written]
) -> list[str]:
    """Files that are not, byte for byte, those of ``bess process``."""
    return [
        f"{each.station.site}/{name}"
        for each in fleet
        for name, content in each.expected.items()
        if produced[each.station.site][name] != content
    ]


def files(folder: Path) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(found) == FILES
    return found


def energy(table: Path) -> dict[tuple[str, str], tuple[float, float, float]]:
    """(date, enclosure) to kWh charged, kWh discharged and coverage."""
    with table.open(newline="") as lines:
        return {
            (row["date"], row["enclosure_id"]): (
                float(row["charged_kwh"]),
                float(row["discharged_kwh"]),
                float(row["coverage"]),
            )
            for row in csv.DictReader(lines)
        }


def seconds(told: str) -> float:
    """How long a replay says that it took."""
    found = re.search(r"records in ([\d.]+) s", told)
    assert found is not None, told
    return float(found[1])
