"""``bess sample``: write a made-up station export."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from stream_app.cli.errors import UserError
from stream_app.cli.sample_cells import write_cells

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
    cells: Annotated[
        bool, typer.Option("--cells", help="Cells of batteries and meters, a file a signal.")
    ] = False,
    start: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="First local day; else 2025-04-01, with --cells 2025-10-20."
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="Number of local days; else 7, with --cells 10.")
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(help="Time between rows: 15min, 1min, 1s, 1h; else 15min, with --cells 1min."),
    ] = None,
    zone: Annotated[
        str | None,
        typer.Option(help="Time zone; else Australia/Sydney, with --cells Europe/Berlin."),
    ] = None,
    systems: Annotated[int, typer.Option(help="With --cells: battery systems.")] = 3,
    packs: Annotated[int, typer.Option(help="With --cells: packs a system.")] = 5,
    cells_a_pack: Annotated[int, typer.Option(help="With --cells: cells a pack.")] = 52,
    meters: Annotated[int, typer.Option(help="With --cells: meters.")] = 2,
    faults: Annotated[
        str,
        typer.Option(help="With --cells: one each of weak,drift,hot,stuck,smoke; or none."),
    ] = "weak,drift,hot,stuck,smoke",
    clocks: Annotated[
        bool, typer.Option(help="With --cells: clocks of files that differ by seconds.")
    ] = True,
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
    """Write a made-up export with the defects of real ones, and the config to read it."""
    from replay.sample import SampleError, SampleSpec, interval_seconds

    try:
        if cells:
            write_cells(
                directory,
                start=start.date() if start else None,
                days=days,
                interval=interval,
                zone=zone,
                systems=systems,
                packs=packs,
                cells=cells_a_pack,
                meters=meters,
                seed=seed,
                faults="none" if clean else faults,
                clocks=clocks and not clean,
                gaps=gaps and not clean,
            )
            return
        spec = SampleSpec(
            start=start.date() if start else SampleSpec.start,
            days=SampleSpec.days if days is None else days,
            interval_s=interval_seconds(interval or "15min"),
            zone=zone or SampleSpec.zone,
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
