"""``bess sample``: what it says and what it refuses."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from stream_app.cli.errors import UserError
from stream_app.cli.sample import sample

app = typer.Typer()
app.command()(sample)


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_it_says_what_it_wrote_and_where_the_defects_are(tmp_path: Path) -> None:
    said = run(tmp_path, "--start", "2025-04-05", "--days", "2", "--inverters", "1")

    assert f"{tmp_path}/station_2025-04.parquet" in said
    assert "1 file, 188 rows, 27 columns" in said
    assert "2025-04-06 02:00+1000 to 2025-04-06 03:00+1000  repeated hour: all columns" in said
    assert "text cell 'Bad Input': " in said
    assert (tmp_path / "config.yaml").exists()


def test_clean_plants_no_defect(tmp_path: Path) -> None:
    said = run(tmp_path, "--start", "2025-04-05", "--days", "2", "--inverters", "1", "--clean")

    assert "196 rows" in said
    assert said.endswith("0 defects\n")


def test_each_defect_has_a_switch(tmp_path: Path) -> None:
    switches = ("--no-gaps", "--no-bad-cells", "--no-clock-change", "--no-shuffle", "--no-weak")

    assert run(tmp_path, "--start", "2025-04-05", *switches).endswith("0 defects\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--interval", "soon"), "interval 'soon' is not a number and a unit"),
        (("--days", "0"), "days: 0 is not from 1 to 3660"),
        (("--zone", "Mars/X"), "no time zone 'Mars/X'"),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence(
    tmp_path: Path, options: tuple[str, str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run(tmp_path, *options)


def test_a_directory_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("")

    with pytest.raises(UserError, match="here"):
        run(tmp_path / "here")
