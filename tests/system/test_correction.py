"""``bess replay --correct``: a wrong export is counted, its days are brought in again."""

import csv
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from schemas.topics import PROGRESS
from stream_app.settings import Settings
from tests.kafka.support import Deployment
from tests.system.commands import finish, kill, start

pytestmark = pytest.mark.kafka

SAMPLE = "--zone Australia/Sydney --interval 15min --start 2025-04-04 --days 5 --inverters 2"
DAYS = ("--correct", "--from", "2025-04-05", "--to", "2025-04-08")
"""Three days, on one of which Sydney turns back; the first and the last are left as they are."""
Energy = dict[tuple[str, str], tuple[str, str, str]]


@dataclass(frozen=True)
class Exports:
    """Configurations of two exports of one station, and what ``bess process`` makes of the true."""

    wrong: Path
    true: Path
    energy: Energy


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    root = tmp_path_factory.mktemp("exports")
    for name in ("wrong", "true"):
        finish(start(os.environ, "sample", root / name, *SAMPLE.split(), "--seed", "3"))
    for path in (root / "wrong").glob("*.parquet"):
        _spoil(path)
    finish(start(os.environ, "process", "--config", root / "true" / "config.yaml"))
    return Exports(
        root / "wrong" / "config.yaml",
        root / "true" / "config.yaml",
        energy(root / "true" / "out"),
    )


def _spoil(path: Path) -> None:
    """Power in another scale, and hours without rows."""
    table = pq.read_table(path)
    for at, name in enumerate(table.column_names):
        if "DC Input Power" in name and pa.types.is_floating(table[name].type):
            table = table.set_column(at, name, pc.multiply(table[name], 1.5))
    pq.write_table(pa.concat_tables([table.slice(0, 120), table.slice(150)]), path)


@pytest.fixture
def deployment(brokers: str, redis_url: str, prefix: str, tmp_path: Path) -> Deployment:
    settings = Settings(
        brokers=brokers, redis_url=SecretStr(redis_url), prefix=prefix, partitions=2
    )
    deployment = Deployment(settings, tmp_path)
    finish(start(deployment.environment(), "topics", "create"))
    return deployment


def energy(folder: Path) -> Energy:
    """(date, enclosure) to charged and discharged kWh and coverage, as they are written."""
    with (folder / "daily_energy_by_enclosure.csv").open(newline="") as lines:
        return {
            (row["date"], row["enclosure_id"]): (
                row["charged_kwh"],
                row["discharged_kwh"],
                row["coverage"],
            )
            for row in csv.DictReader(lines)
        }


def report(deployment: Deployment, exports: Exports) -> tuple[str, Energy]:
    folder = deployment.logs / "report"
    told = finish(
        start(deployment.environment(), "report", "--config", exports.wrong, "--out", folder)
    )
    return told, energy(folder)


def mixed(wrong: Mapping[tuple[str, str], tuple[str, str, str]], exports: Exports) -> Energy:
    """The wrong days, but for those that are corrected."""
    corrected = ("2025-04-05", "2025-04-06", "2025-04-07")
    return {key: exports.energy[key] if key[0] in corrected else wrong[key] for key in wrong}


async def test_corrected_days_are_those_of_the_true_export_and_the_others_stay(
    deployment: Deployment, exports: Exports
) -> None:
    environment = deployment.environment()
    with deployment.worker():
        finish(start(environment, "replay", "--config", exports.wrong))
        _, before = report(deployment, exports)
        told = finish(start(environment, "replay", "--config", exports.true, *DAYS))
        summary, after = report(deployment, exports)
        again = finish(start(environment, "replay", "--config", exports.true, *DAYS))

    assert before != exports.energy
    assert after == mixed(before, exports)
    assert "corrected days" in told
    assert "2025-04-06" in told
    assert "3 by correction" in summary
    assert "is complete already" in again
    assert "no day has changed" in again


async def test_a_correction_killed_in_the_middle_goes_on_and_comes_out_the_same(
    deployment: Deployment, exports: Exports
) -> None:
    environment = deployment.environment()
    correct = ["replay", "--config", exports.true, *DAYS, "--block-rows", "10"]
    with deployment.worker() as worker:
        finish(start(environment, "replay", "--config", exports.wrong))
        _, before = report(deployment, exports)
        slow = start(environment, *correct, "--speed", "40000")
        begun = len(await deployment.read(PROGRESS))

        async def in_the_middle() -> bool:
            return len(await deployment.read(PROGRESS)) > begun + 10

        await deployment.wait_for("progress of the correction", in_the_middle)
        assert kill(slow) == -signal.SIGKILL
        worker.kill()
        worker.wait()
    with deployment.worker():
        told = finish(start(environment, *correct))
        _, after = report(deployment, exports)

    assert "resumed at row" in told
    assert after == mixed(before, exports)


async def test_a_correction_that_workers_refuse_is_told_with_the_reason(
    deployment: Deployment, exports: Exports
) -> None:
    environment = deployment.environment()
    with deployment.worker():
        finish(start(environment, "replay", "--config", exports.wrong))
        ended = subprocess_of(
            environment, exports, "--correct", "--from", "2025-04-08", "--to", "2025-04-09"
        )

    assert ended.returncode == 2
    assert "refused records of the correction" in ended.stderr
    assert "before the open day, 2025-04-08" in ended.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--correct", "--from", "2025-04-05"), "--correct needs --from DATE"),
        (("--correct", "--from", "2025-04-05", "--to", "2025-04-05"), "name a first day"),
        (("--correct", "--from", "2025-04-05T12:00", "--to", "2025-04-06"), "is no local day"),
        (("--correct", "--from", "2024-04-05", "--to", "2024-04-06"), "no row between"),
        ((*DAYS, "--clock", "shift", "--speed", "1"), "leave --clock out"),
    ],
)
def test_what_is_no_correction_is_told_before_anything_is_published(
    deployment: Deployment, exports: Exports, options: tuple[str, ...], message: str
) -> None:
    ended = subprocess_of(deployment.environment(), exports, *options)

    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def subprocess_of(
    environment: Mapping[str, str], exports: Exports, *options: str
) -> "subprocess.CompletedProcess[str]":
    process = start(environment, "replay", "--config", exports.true, *options)
    out, err = process.communicate(timeout=90)
    return subprocess.CompletedProcess([], process.returncode, out, err)
