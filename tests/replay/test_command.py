"""``bess replay`` as a person meets it, without Kafka."""

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from replay.publish import Summary
from stream_app.cli import build
from stream_app.cli.errors import UserError
from stream_app.cli.replay_progress import Lines
from tests.replay.exports import csv_file, ramp

START = datetime.fromisoformat("2025-07-01T12:00")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A config and an export of 8 rows, one of which has no readable time."""
    stamps = [(START + timedelta(minutes=15 * n)).isoformat(sep=" ") for n in range(8)]
    stamps[3] = "?"
    csv_file(tmp_path / "a.csv", ramp(stamps))
    (tmp_path / "config.yaml").write_text(
        "data: {paths: a.csv}\nparsing: {timezone: Europe/Berlin}\n", encoding="utf-8"
    )
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build(), ["replay", *arguments])


def test_a_dry_run_shows_topology_and_what_could_not_be_used(folder: Path) -> None:
    result = run("--config", str(folder / "config.yaml"), "--dry-run")

    assert result.exit_code == 0
    assert "station/1APCS1: input 1: 1A1BAT1 0.5, 1A1BAT2 0.5; input 2:" in result.stdout
    assert "rules: method trapezoid, interval_ms 900000, " in result.stdout
    assert "7 rows, 14 samples" in result.stdout
    assert "from 2025-07-01 12:00:00+02:00 to 2025-07-01 13:45:00+02:00" in result.stdout
    assert "?from=1751364000000&to=1751371200000" in result.stdout
    assert "refused timestamp cannot be read: 1 rows (a.csv row 4: '?')" in result.stdout
    assert "1 file(s), about 8 rows every 900 s" in result.stderr


def test_from_and_to_are_local_to_the_site(folder: Path) -> None:
    span = ["--from", "2025-07-01T12:15", "--to", "2025-07-01T11:00Z"]

    result = run("--config", str(folder / "config.yaml"), "--dry-run", *span)

    assert "2 rows, 4 samples" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--speed", "fast"], "--speed fast: write a number above 0, or max"),
        (["--speed", "0"], "--speed 0: write a number above 0, or max"),
        (["--speed", "nan"], "--speed nan: write a number above 0, or max"),
        (["--from", "noon"], "--from: 'noon' is no date or time"),
        (["nowhere.csv"], "no export file at nowhere.csv"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(
    folder: Path, arguments: list[str], message: str
) -> None:
    result = run("--config", str(folder / "config.yaml"), "--dry-run", *arguments)

    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)


def test_without_config_and_export_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = run("--dry-run")

    assert isinstance(result.exception, UserError)
    assert "no export is named" in str(result.exception)


def test_a_replay_off_a_terminal_says_where_it_is_every_ten_seconds_and_before_a_longer_wait(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hour_ms, seconds = 3_600_000, iter([0.0, 4.0, 12.0, 15.0, 25.0])
    tell = Lines("Europe/Berlin", 100, lambda: next(seconds))

    for row, waits in ((40, 0.0), (50, 0.4), (60, 600.0), (100, 0.0)):
        tell(
            Summary(
                "r",
                resumed_at=30,
                next_row=row,
                rows=row - 30,
                samples=2 * (row - 30),
                last_ms=hour_ms * row,
                seconds=2.0 * (row - 30),
                waiting_s=waits,
            )
        )

    rate, day = "0.5 rows/s, 1 samples/s", "1970-01-03"
    assert capsys.readouterr().err.splitlines() == [
        f"row 50 of about 100, {day} 03:00:00+01:00, {rate}, about 0:01:40 left",
        f"row 60 of about 100, {day} 13:00:00+01:00, {rate}, about 0:01:20 left, next in 0:10:00",
        f"row 100 of about 100, 1970-01-05 05:00:00+01:00, {rate}",
    ]


def test_a_broker_that_does_not_answer_ends_in_one_red_sentence(folder: Path) -> None:
    command = [sys.executable, "-m", "stream_app", "replay", "-c", str(folder / "config.yaml")]

    done = subprocess.run(
        command,
        env={"BESS_BROKERS": "127.0.0.1:9", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "no Kafka answers at 127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
