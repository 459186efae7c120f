"""An export of cells through a real Kafka: everything once, also after a kill."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from replay.config import load_config
from replay.publish import Options
from replay.sample.cells import CellSpec, write_cells
from replay.signals.export import SignalExport
from schemas.topics import PROGRESS, TELEMETRY, TOPOLOGY
from stream_app.codec.battery import decode_battery
from stream_app.core.battery import Battery, CellSamples, MeterPoint, MeterSamples, SystemSamples
from stream_app.core.messages import EndOfData
from tests.replay.broker import Deployment
from tests.replay.test_publishing import ended, start
from tests.signals.exports import Row, columns_of, listed, rows_of

pytestmark = pytest.mark.kafka

SPEC = CellSpec(days=1, interval_s=300, systems=2, packs=2, cells=6, meters=1)
KINDS = {
    Battery: "topology",
    MeterPoint: "topology",
    CellSamples: "samples",
    SystemSamples: "samples",
    MeterSamples: "samples",
    EndOfData: "end",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cells(tmp_path_factory.mktemp("cells"), SPEC).directory


@pytest.fixture
def export(folder: Path) -> SignalExport:
    return SignalExport.open(load_config(folder / "config.yaml"))


@pytest.fixture
async def deployment(brokers: str, prefix: str) -> Deployment:
    return await Deployment.create(brokers, prefix)


async def records(deployment: Deployment) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for record in await deployment.committed(TELEMETRY):
        key = record.key.decode()
        found.setdefault(key, []).append(decode_battery(key, record.value))
    return found


def rows(messages: dict[str, list[object]]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for key, each in messages.items():
        for message in each:
            if KINDS[type(message)] == "samples":
                place = key, getattr(message, "pack", "")
                found.setdefault(place, []).extend(_rows(message))
    return found


def _rows(message: object) -> Iterator[Row]:
    columns = columns_of(message)
    for n, time in enumerate(message.times.tolist()):  # type: ignore[attr-defined]
        yield time, {name: listed(values[n]) for name, values in columns.items()}


async def test_topology_comes_first_and_the_end_last_under_every_key(
    deployment: Deployment, export: SignalExport
) -> None:
    summary = await deployment.publish(export, Options(block_rows=50))

    found = await records(deployment)
    assert set(found) == set(export.keys)
    for key, messages in found.items():
        kinds = [KINDS[type(message)] for message in messages]
        assert (kinds[0], kinds[-1], set(kinds[1:-1])) == ("topology", "end", {"samples"}), key
        assert messages[-1] == EndOfData(SPEC.span[1])
    assert [found[key][0] for key in export.keys] == [*export.batteries, *export.meters]
    assert rows(found) == rows_of(export)
    assert (summary.state, summary.rows) == ("complete", 288)
    assert await deployment.committed(TOPOLOGY) == []


async def test_every_row_is_seen_once_after_a_kill_in_the_middle(
    deployment: Deployment, folder: Path, export: SignalExport
) -> None:
    config = folder / "config.yaml"
    command = ("--config", str(config), "--speed", "6000", "--packed")
    process = start(deployment, *command)
    await deployment.until(lambda record: record.row >= 60)
    process.kill()
    assert ended(process)[0] == -signal.SIGKILL

    code, out = await asyncio.to_thread(ended, start(deployment, *command[:2]))

    assert (code, "resumed at row" in out) == (0, True)
    found, expected = rows(await records(deployment)), rows_of(export)
    assert found.keys() == expected.keys()
    for place, of in expected.items():
        assert [time for time, _ in found[place]] == [time for time, _ in of]
        assert [flat(each) for each in found[place]] == [flat(each) for each in of]
    assert len(await deployment.committed(PROGRESS)) > 2


def flat(row: Row) -> dict[str, list[float | None]]:
    """Values to the microvolt: the binary form has 32 bits for each."""
    return {
        name: [None if each is None else round(each, 5) for each in values]
        for name, values in row[1].items()
    }
