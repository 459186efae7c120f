"""The commands report, process and rollups as a person calls them."""

import asyncio
import csv
import io
import json
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from replay.config import load_config
from replay.export import Export
from replay.sample import SampleSpec, write_sample
from schemas.topics import TOPOLOGY, Topic
from stream_app.cli.errors import UserError
from stream_app.cli.report import process, report, rollups
from stream_app.codec.results import encode_outputs
from stream_app.codec.telemetry import topology_record
from stream_app.core.messages import Configure, EndOfData, Message
from stream_app.pipeline import BlockState, fold
from tests.reports.stream import Deployment, Value

TABLES = ("daily_energy_by_enclosure.csv", "outliers_bottom5.csv")
FILES = (*TABLES, "discharged_heatmap.png")
CLOSED_PORT = {"BESS_BROKERS": "127.0.0.1:1"}


def call(*args: object, env: dict[str, str] | None = None) -> Result:
    app = typer.Typer()
    for command in (report, process, rollups):
        app.command()(command)
    return CliRunner().invoke(app, [str(arg) for arg in args], env={"COLUMNS": "200"} | (env or {}))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a sample over a change of the clock."""
    spec = SampleSpec(start=date(2025, 4, 5), days=3, inverters=2)
    return write_sample(tmp_path_factory.mktemp("sample"), spec).config


def folded(config: Path) -> Iterator[tuple[Topic, bytes, Value]]:
    """What replay and worker publish of an export, block after block."""
    export = Export.open(load_config(config))
    messages: dict[str, list[Message]] = {each.key: [Configure(each)] for each in export.blocks}
    for batch in export.batches(rows=50):
        for key, samples in batch.samples:
            messages[key].append(samples)
        end = (batch.clock_ms or 0) + export.interval_ms
    for each in export.blocks:
        outputs = fold(BlockState(), [*messages[each.key], EndOfData(end)])
        yield TOPOLOGY, each.key.encode(), topology_record(each)
        for output in encode_outputs(outputs):
            yield output.topic, output.key, output.value


def test_process_writes_three_files_and_says_where(config: Path, tmp_path: Path) -> None:
    done = call("process", "--config", config, "--out", tmp_path / "new" / "out")

    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == sorted(FILES)
    lines = done.stdout.splitlines()
    assert lines[-3:] == [str(tmp_path / "new" / "out" / name) for name in FILES]
    assert "2025-04-05 to 2025-04-07" in done.stdout
    assert "weakest" in done.stdout
    assert "GAP" in done.stdout


def test_names_and_directory_of_the_files_come_from_the_config(tmp_path: Path) -> None:
    spec = SampleSpec(days=1, inverters=1)
    config = write_sample(tmp_path, spec).config
    text = config.read_text().replace("dir: out", "dir: results/today")
    config.write_text(text.replace("outliers_bottom5.csv", "weakest.csv"))

    done = call("process", "--config", config)

    assert done.exit_code == 0, done.output
    assert (tmp_path / "results" / "today" / "weakest.csv").exists()


def test_two_runs_give_the_same_bytes(config: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        assert call("process", "--config", config, "--out", tmp_path / name).exit_code == 0

    for name in FILES:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


@pytest.mark.parametrize(
    ("args", "env", "message"),
    [
        (("process", "--config", "no.yaml"), {}, "no.yaml: cannot be read"),
        (("report", "--config", "no.yaml"), {}, "no.yaml: cannot be read"),
        (("rollups", "--resolution", "1h", "--from", "noon"), {}, "--from noon: is not ISO 8601"),
        (("rollups", "--resolution", "1h"), CLOSED_PORT, "no Kafka broker answers at 127.0.0.1:1"),
    ],
)
def test_what_a_person_can_mend_is_told_in_one_message(
    args: tuple[str, ...], env: dict[str, str], message: str
) -> None:
    done = call(*args, env=env)

    assert isinstance(done.exception, UserError)
    assert message in str(done.exception)


def test_an_absent_broker_is_told_within_seconds(config: Path) -> None:
    begin = time.monotonic()

    done = call("report", "--config", config, env=CLOSED_PORT)

    assert "set BESS_BROKERS" in str(done.exception)
    assert time.monotonic() - begin < 5


def test_a_directory_that_cannot_be_made_is_named(config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    done = call("process", "--config", config, "--out", tmp_path / "file" / "out")

    assert isinstance(done.exception, UserError)
    assert "cannot be written" in str(done.exception)


@pytest.mark.kafka
def test_report_gives_the_bytes_of_process(
    config: Path, tmp_path: Path, brokers: str, prefix: str
) -> None:
    deployment = asyncio.run(Deployment.create(brokers, prefix))
    asyncio.run(deployment.publish(folded(config)))

    called = call(
        "report", "--config", config, "--out", tmp_path / "stream", env=deployment.environment
    )

    assert called.exit_code == 0, called.exception
    assert call("process", "--config", config, "--out", tmp_path / "batch").exit_code == 0
    for name in FILES:
        assert (tmp_path / "stream" / name).read_bytes() == (tmp_path / "batch" / name).read_bytes()


@pytest.mark.kafka
def test_an_enclosure_of_the_topology_without_energy_is_a_warning(
    config: Path, tmp_path: Path, brokers: str, prefix: str
) -> None:
    deployment = asyncio.run(Deployment.create(brokers, prefix))
    records = [record for record in folded(config) if b"1A2BAT1" not in record[1]]
    asyncio.run(deployment.publish(records))

    done = call("report", "--config", config, "--out", tmp_path, env=deployment.environment)

    assert "no daily energy of 1 in the topology: 1A2BAT1" in done.stdout


@pytest.mark.kafka
def test_report_of_unfolded_telemetry_gives_up_or_is_told_not_to_wait(
    config: Path, tmp_path: Path, brokers: str, prefix: str
) -> None:
    deployment = asyncio.run(Deployment.create(brokers, prefix))

    async def fill() -> None:
        await deployment.publish(folded(config))
        async with deployment.producer() as producer, producer.transaction():
            await deployment.send(producer, 2)

    asyncio.run(fill())
    args = ("report", "--config", config, "--out", tmp_path)

    waited = call(*args, "--timeout", "1", env=deployment.environment)
    at_once = call(*args, "--no-wait", env=deployment.environment)

    assert "have not committed anything yet" in str(waited.exception)
    assert at_once.exit_code == 0, at_once.exception


@pytest.mark.kafka
def test_rollups_prints_the_windows_of_the_stream(
    config: Path, tmp_path: Path, brokers: str, prefix: str
) -> None:
    deployment = asyncio.run(Deployment.create(brokers, prefix))
    asyncio.run(deployment.publish(folded(config)))
    args = ("rollups", "--resolution", "1h", "--enclosure", "1A1BAT2")
    span = ("--from", "2025-04-06T00:00+11:00", "--to", "2025-04-07T00:00+10:00")

    table = call(*args, *span, env=deployment.environment)
    lines = call(*args, *span, "--format", "jsonl", env=deployment.environment)

    rows = list(csv.DictReader(io.StringIO(table.stdout)))
    assert len(rows) == 25
    assert [row["enclosure_id"] for row in rows] == ["1A1BAT2"] * 25
    figures = [float(row["charged_kwh"]) for row in rows]
    assert [json.loads(line)["charged_kwh"] for line in lines.stdout.splitlines()] == figures
    assert sum(figures) == pytest.approx(charged(config, tmp_path), abs=25e-6)


def charged(config: Path, directory: Path) -> float:
    """Energy charged into 1A1BAT2 on the long day, from the daily table."""
    call("process", "--config", config, "--out", directory)
    with (directory / TABLES[0]).open() as table:
        rows = {(row["date"], row["enclosure_id"]): row for row in csv.DictReader(table)}
    return float(rows["2025-04-06", "1A1BAT2"]["charged_kwh"])
