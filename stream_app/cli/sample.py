"""``bess sample``: write a made-up station export."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from stream_app.cli.errors import UserError

if TYPE_CHECKING:
    from replay.sample import Defect, SampleReport, SampleSpec

LISTED_DEFECTS = 20


class Enclosures(StrEnum):
    """Enclosures an inverter."""

    SIX = "6"
    FOUR = "4"
    MIXED = "mixed"


class Format(StrEnum):
    """File format."""

    PARQUET = "parquet"
    CSV = "csv"


class FilesPer(StrEnum):
    """How the export is split."""

    DAY = "day"
    MONTH = "month"
    ONE = "one"


def sample(
    directory: Annotated[
        Path, typer.Argument(help="Where to write the export and its config.yaml.")
    ],
    *,
    start: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="First local day.")
    ] = datetime(2025, 4, 1),  # noqa: DTZ001 - a local date
    days: Annotated[int, typer.Option(help="Number of local days.")] = 7,
    interval: Annotated[
        str, typer.Option(help="Time between rows: 15min, 1min, 1s, 1h.")
    ] = "15min",
    zone: Annotated[str, typer.Option(help="Time zone of the station.")] = "Australia/Sydney",
    inverters: Annotated[int, typer.Option(help="Inverters of 3.6 MW, two DC inputs each.")] = 6,
    enclosures: Annotated[
        Enclosures, typer.Option(help="Enclosures an inverter.")
    ] = Enclosures.MIXED,
    battery_columns: Annotated[int, typer.Option(help="Columns an enclosure, 1 to 8.")] = 4,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    format: Annotated[Format, typer.Option(help="File format.")] = Format.PARQUET,  # noqa: A002
    files_per: Annotated[FilesPer, typer.Option(help="Split of the export.")] = FilesPer.MONTH,
    gaps: Annotated[bool, typer.Option(help="Missing rows and stretches of cells.")] = True,
    bad_cells: Annotated[bool, typer.Option(help="Some empty and some text cells.")] = True,
    clock_change: Annotated[
        bool,
        typer.Option(
            help="Naive local time: an hour repeats or is skipped. Without: with offsets."
        ),
    ] = True,
    shuffle: Annotated[bool, typer.Option(help="Columns in another order in each file.")] = True,
    weak: Annotated[bool, typer.Option(help="One DC input gives clearly less.")] = True,
    clean: Annotated[bool, typer.Option("--clean", help="None of the defects above.")] = False,
) -> None:
    """Write a made-up station export with the defects of real ones, and the config to read it."""
    from replay.sample import SampleError, SampleSpec, interval_seconds

    try:
        spec = SampleSpec(
            start=start.date(),
            days=days,
            interval_s=interval_seconds(interval),
            zone=zone,
            inverters=inverters,
            enclosures=enclosures.value,
            seed=seed,
            format=format.value,
            files_per=files_per.value,
            battery_columns=battery_columns,
            gaps=gaps and not clean,
            bad_cells=bad_cells and not clean,
            clock_change=clock_change and not clean,
            shuffle=shuffle and not clean,
            weak=weak and not clean,
        )
        report = _with_progress(directory, spec)
    except (SampleError, OSError) as fault:
        raise UserError(str(fault)) from fault
    _print(report, spec)


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
