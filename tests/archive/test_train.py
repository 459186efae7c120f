"""From the archive to a model that the stream takes, by the commands that people use."""

from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from schemas.battery import AnomalyModelRecord
from schemas.results_battery import SignalWindowsRecord
from schemas.topics import SIGNALS
from stream_app.archive.coverage import gaps
from stream_app.archive.disk import ArchiveError
from stream_app.archive.train import BACK, About, model_of, train
from stream_app.cli import build
from stream_app.cli.errors import UserError
from stream_app.codec.anomaly_model import anomaly_model
from stream_app.codec.results_battery import encode_battery_outputs
from stream_app.core.battery_system import BatteryState, fold_battery
from stream_app.core.cells.features import FEATURES, columns_of, features
from stream_app.core.cells.learned import unlike
from stream_app.core.energy import Floats
from tests.archive.test_tables import by_topic, write
from tests.cells.generator import Faults, battery, trace

BATTERY = battery(300.0, packs=2)


@pytest.fixture(scope="module")
def stream() -> tuple[dict[str, list[bytes]], dict[str, Floats]]:
    """Records of two days of two packs, and the features that the stream had of them."""
    data = trace(4, 2, Faults(), 300.0)
    rows = [data.samples(0, 576), data.samples(0, 576, pack="2")]
    outputs = fold_battery(BatteryState(), [BATTERY, *rows])
    slots = {w.pack: w for w in outputs.cells.windows if w.resolution == "5min"}
    found = {pack: features(columns_of(each.sums)) for pack, each in slots.items()}
    return by_topic(list(encode_battery_outputs(BATTERY, outputs))), found


@pytest.fixture(scope="module")
def archive(
    tmp_path_factory: pytest.TempPathFactory,
    stream: tuple[dict[str, list[bytes]], dict[str, Floats]],
) -> Path:
    directory = tmp_path_factory.mktemp("archive")
    write(directory, stream[0], 3)
    return directory


def test_a_model_of_the_archive_is_that_of_the_stream(
    archive: Path, stream: tuple[dict[str, list[bytes]], dict[str, Floats]]
) -> None:
    record = train(archive, "station", "b1", 0.02)

    expected = model_of(stream[1], 0.02, About("station", "b1", record.since, record.until))
    assert record == expected
    assert (record.since, record.until) == ("2025-03-26", "2025-03-27")
    assert record.windows == sum(each.shape[0] * each.shape[1] for each in stream[1].values())


def test_the_threshold_is_what_the_contamination_says(archive: Path) -> None:
    models = [anomaly_model(train(archive, "station", "b1", share)) for share in (0.001, 0.05)]

    strict, loose = models
    for pack in ("1", "2"):
        stricter, looser = strict.limits[pack], loose.limits[pack]
        assert (stricter.threshold >= looser.threshold).all()
        assert (looser.threshold_path < looser.back_path).all()
    assert strict.version != loose.version
    assert set(strict.usual) == {"1", "2"}
    assert strict.usual["1"].shape == (52, len(FEATURES))
    assert np.isfinite(strict.usual["1"]).all()


def test_no_cell_is_unusual_more_often_than_the_contamination_says(
    stream: tuple[dict[str, list[bytes]], dict[str, Floats]],
) -> None:
    """Whatever it does every day: one falls far back at each end, and one has coarse steps."""
    found = {pack: each.copy() for pack, each in stream[1].items()}
    found["1"][::3, 7] += 30.0
    found["2"][:, 8] = 0.0
    found["2"][:, 9] = np.nan
    about = About("station", "b1", "2025-03-26", "2025-03-27")
    share = 0.02

    model = anomaly_model(model_of(found, share, about))

    for pack, each in found.items():
        off = unlike(each, model.usual[pack])
        paths = model.forest.paths(off.reshape(-1, len(FEATURES))).reshape(off.shape[:2])
        limits = model.limits[pack]
        assert ((paths <= limits.threshold_path).mean(axis=0) <= share).all()
        assert ((paths <= limits.back_path).mean(axis=0) <= BACK * share).all()
    never_seen = model.limits["2"].threshold[9]
    assert model.limits["1"].threshold.min() < never_seen < model.limits["1"].threshold[7]


def test_days_without_a_voltage_are_refused() -> None:
    nothing = {"1": np.full((288, 5, len(FEATURES)), np.nan)}
    with pytest.raises(ArchiveError, match="no cell has a voltage"):
        model_of(nothing, 0.01, About("station", "b1", "2025-03-26", "2025-03-26"))


def signals(low: float, high: float) -> bytes:
    """A window of a system's signals whose charge goes so far."""
    start = 1_742_943_600_000
    found = SignalWindowsRecord(
        v=1,
        id="station/battery/b1/5min",
        site="station",
        system="b1",
        zone="Europe/Berlin",
        resolution="5min",
        final=True,
        start=[start],
        end=[start + 300_000],
        revision=[1],
        rows=[1],
        signals=["soc_ratio"],
        samples=[[1]],
        refused=[[0]],
        lowest=[[low]],
        highest=[[high]],
    )
    return msgspec.json.encode(found)


@pytest.mark.parametrize(
    ("days", "charge", "told"),
    [
        (7, (0.1, 0.98), []),
        (7, (0.05, 0.9), ["SOC from 5% to 90% only"]),
        (7, (0.3, 0.99), ["SOC from 30% to 99% only"]),
        (6, (0.1, 0.98), ["6 days, fewer than 7"]),
        (7, None, ["no soc_ratio in the archive: see yourself that cells from 3.012 to 3.400 V"]),
    ],
)
def test_days_that_show_too_little_of_the_battery_are_told(
    tmp_path: Path, days: int, charge: tuple[float, float] | None, told: list[str]
) -> None:
    if charge is not None:
        write(tmp_path, {SIGNALS["5min"].suffix: [signals(*charge)]}, 1)
    dates = [f"2025-03-{10 + day}" for day in range(days)]
    cells = {"date": dates, "voltage_min_v": [3.012] * days, "voltage_max_v": [3.4] * days}

    found = list(gaps(tmp_path, {"system": "b1"}, None, None, pa.table(cells)))

    assert len(found) == len(told), found
    for line, start in zip(found, told, strict=True):
        assert line.startswith(start)


def test_too_few_days_are_refused(archive: Path) -> None:
    with pytest.raises(ArchiveError, match="has no cells_5min of what is asked for"):
        train(archive, "station", "b1", 0.01, since=date(2026, 1, 1))
    with pytest.raises(ArchiveError, match="has no cells_5min"):
        train(archive, "station", "b2", 0.01)
    with pytest.raises(ArchiveError, match="is no archive with cells; `bess archive` writes one"):
        train(archive / "nowhere", "station", "b1", 0.01)


def command(*words: object) -> str:
    result = CliRunner().invoke(build(), [str(word) for word in words])
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_writes_a_model_and_says_what_to_do_with_it(
    archive: Path, tmp_path: Path
) -> None:
    file = tmp_path / "model.json"

    said = command("anomalies", "train", "station/b1", "--archive", archive, "--out", file)

    record = msgspec.json.decode(file.read_bytes(), type=AnomalyModelRecord)
    assert anomaly_model(record).key == BATTERY.key
    assert record.version in said
    assert f"bess anomalies publish {file}" in said
    assert "warning: 2 days, fewer than 7" in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("b1",), "name the battery system as site/system"),
        (("station/b9",), "has no cells_5min"),
        (("station/b1", "--from", "spring"), "--from spring: is no day such as 2025-04-06"),
    ],
)
def test_what_cannot_be_learned_is_told(
    archive: Path, tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    with pytest.raises(UserError, match=why):
        command("anomalies", "train", *words, "--archive", archive, "--out", tmp_path / "m.json")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot be read: No such file or directory;"),
        ("# Notes", "is no model:"),
        ("{}", r"is no model that can be used \(Object missing .*:"),
    ],
)
def test_a_file_that_is_no_model_is_told_with_what_writes_one(
    tmp_path: Path, text: str | None, why: str
) -> None:
    file = tmp_path / "model.json"
    if text is not None:
        file.write_text(text)

    with pytest.raises(UserError, match=f"model.json: {why} `bess anomalies train` writes one"):
        command("anomalies", "publish", file)
