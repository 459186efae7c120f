"""``bess sample`` without ``--cells``."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from replay.sample import Defect, SampleReport, SampleSpec

LISTED_DEFECTS = 20


def write_station(directory: Path, *, interval: str | None, **options: Any) -> None:
    """Write an export of a station, and say what is in it.

    Parameters
    ----------
    interval
        Time between rows, as people write it.
    options
        Others of a ``SampleSpec``; None: its default.
    """
    from replay.sample import SampleSpec, interval_seconds

    options["interval_s"] = None if interval is None else interval_seconds(interval)
    spec = SampleSpec(**{name: value for name, value in options.items() if value is not None})
    _print(_with_progress(directory, spec), spec)


def _with_progress(directory: Path, spec: "SampleSpec") -> "SampleReport":
    from rich.progress import Progress

    from replay.sample import write_sample

    start, end = spec.span
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Writing rows", total=(end - start) // spec.interval_ms)
        return write_sample(directory, spec, lambda rows: progress.advance(task, rows))


def _print(report: "SampleReport", spec: "SampleSpec") -> None:
    for file in report.files[:5]:
        typer.echo(f"{file.path}  {file.rows:,} rows  {file.size / 1e6:.1f} MB")
    if len(report.files) > 5:
        typer.echo(f"... {len(report.files) - 5} more files")
    typer.echo(
        f"{_count(len(report.files), 'file')}, {report.rows:,} rows, {report.columns:,} columns, "
        f"{report.size / 1e6:.1f} MB; to read them: {report.config}"
    )
    typer.echo(f"{_count(len(report.defects), 'defect')}{':' if report.defects else ''}")
    for each in report.defects[:LISTED_DEFECTS]:
        typer.echo(f"  {_line(each, spec)}")
    if len(report.defects) > LISTED_DEFECTS:
        typer.echo(f"  ... {len(report.defects) - LISTED_DEFECTS} more")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _line(defect: "Defect", spec: "SampleSpec") -> str:
    from zoneinfo import ZoneInfo

    begin, end = (
        datetime.fromtimestamp(at / 1000, tz=UTC).astimezone(ZoneInfo(spec.zone))
        for at in (defect.start, defect.end)
    )
    text = f" {defect.text!r}" if defect.text else ""
    where = ", ".join(defect.columns) or "all columns"
    return f"{begin:%Y-%m-%d %H:%M%z} to {end:%Y-%m-%d %H:%M%z}  {defect.kind}{text}: {where}"
