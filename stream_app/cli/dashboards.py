"""``bess dashboards``: Grafana dashboards as files."""

from pathlib import Path
from typing import Annotated

import typer

from stream_app.cli.errors import UserError

app = typer.Typer(no_args_is_help=True, help="Build the Grafana dashboards, or check built ones.")

Folder = Annotated[Path, typer.Argument(help="Folder of the JSON files.")]


@app.command()
def build(folder: Folder) -> None:
    """Write the dashboards to a folder that Grafana provisions from."""
    boards = _boards()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in boards.items():
            (folder / name).write_text(text, encoding="utf-8")
            typer.echo(folder / name)
    except OSError as fault:
        raise UserError(f"{folder} cannot be written: {fault.strerror}") from fault


@app.command()
def check(folder: Folder) -> None:
    """Check that the files of a folder are as this version builds them; exit code 1 if not."""
    boards = _boards()
    differ = [name for name, text in boards.items() if _text(folder / name) != text]
    for name in differ:
        typer.echo(f"{folder / name} differs: run bess dashboards build {folder}", err=True)
    raise typer.Exit(1 if differ else 0)


def _boards() -> dict[str, str]:
    try:
        from deploy.grafana import render_all
    except ModuleNotFoundError as fault:
        raise UserError(
            f"{fault.name} is not installed: pip install grafana-foundation-sdk==0.0.21"
        ) from fault
    return render_all()


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
