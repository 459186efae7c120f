"""``bess dashboards`` writes and checks files."""

from pathlib import Path

from typer.testing import CliRunner

from deploy.grafana import FOLDER
from stream_app.cli.dashboards import app
from stream_app.cli.errors import UserError


def test_built_files_are_the_committed_ones_and_pass_the_check(tmp_path: Path) -> None:
    built = CliRunner().invoke(app, ["build", str(tmp_path / "boards")])
    checked = CliRunner().invoke(app, ["check", str(tmp_path / "boards")])

    assert (built.exit_code, checked.exit_code) == (0, 0)
    for path in FOLDER.glob("*.json"):
        assert (tmp_path / "boards" / path.name).read_text() == path.read_text()


def test_a_changed_and_a_missing_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "bess-fleet.json").write_text("{}")

    checked = CliRunner().invoke(app, ["check", str(tmp_path)])

    assert checked.exit_code == 1
    assert "bess-fleet.json differs" in checked.stderr
    assert "bess-pipeline.json differs" in checked.stderr


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    built = CliRunner().invoke(app, ["build", str(tmp_path / "file")])

    assert isinstance(built.exception, UserError)
    assert "cannot be written" in str(built.exception)
