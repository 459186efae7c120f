"""``bess cells`` and ``bess health``: what is known of a battery system."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from stream_app.cli.deployment import load_settings
from stream_app.cli.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.results_battery import HealthDayRecord
    from stream_app.reports.battery_data import SystemData


class Level(StrEnum):
    """Length of windows."""

    FIVE_MINUTES = "5min"
    QUARTER = "15min"
    HOUR = "1h"
    DAY = "1d"


System = Annotated[str, typer.Argument(help="Name of a battery system, or site/system.")]
From = Annotated[
    Path | None,
    typer.Option(
        "--from", help="Folder that `bess process` or `bess archive` wrote; else the live Redis."
    ),
]
Png = Annotated[Path | None, typer.Option(help="Folder to write pictures into.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the records, for programs.")]


def cells(
    system: System,
    pack: Annotated[
        list[str] | None, typer.Option(help="Only this pack, cell by cell; may come again.")
    ] = None,
    level: Annotated[
        Level | None, typer.Option(help="Length of the windows; else the longest there is.")
    ] = None,
    folder: From = None,
    days: Annotated[
        int,
        typer.Option(min=1, help="Of an archive, days with windows shorter than a day."),
    ] = 30,
    png: Png = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the cells of a battery system: packs, critical cells, what the data can support.

    The newest closed window of each pack: lowest, mean and highest voltage, spread, the cell that
    lies furthest from its pack's median, temperatures; critical cells with what, how far beyond
    which limit, since when, and on how many days. --png draws heat strips of all packs, their
    comparison, and with --from the voltage of each cell over time; with --level 1h by hours, of
    an archive or of `bess process --windows 1h`.
    """
    data = _data(system, folder, level.value if level else None, days, pack)
    from stream_app.reports.battery_data import NotFoundError
    from stream_app.reports.cells_display import show_cells, show_limits

    if not data.battery.packs:
        if as_json:
            names = {"site": data.battery.site, "system": data.battery.system}
            _print_json([names | {"evaluability": data.limits}])
        else:
            show_limits(Console(), data)
        if png is not None:
            raise UserError(
                f"{data.name} has no packs of cells, so there is no picture of them: "
                f"`bess health {data.name} --png {png}` draws its health"
            )
        return
    try:
        shown = data.level(level.value if level else None)
        if as_json:
            _print_json([*data.newest(shown).values(), *data.critical.values()])
        else:
            show_cells(Console(), data, shown, bool(pack))
    except NotFoundError as fault:
        raise UserError(str(fault)) from fault
    if png is not None:
        from stream_app.reports.cell_pictures import cell_pictures

        _write(png, cell_pictures(data, shown))


def health(
    system: System,
    day: Annotated[str | None, typer.Option(help="Local date; else the newest.")] = None,
    folder: From = None,
    days: Annotated[
        int | None,
        typer.Option(min=1, help="Local days up to it whose dwell is summed; else all there are."),
    ] = None,
    png: Png = None,
    *,
    expected: Annotated[
        bool,
        typer.Option(help="Also the ageing that a model expects (NREL BLAST-Lite, LFP 250 Ah)."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the health of a battery system on a local day, each number or why it cannot be told.

    Charge by the BMS and by the ledger; state of health four times, not mixed; the rate of
    ageing with its confidence; cycles; energy and round trip efficiency, naive and corrected;
    histograms of dwell over days. --png draws state of health over time, and dwell.
    """
    data = _data(system, folder)
    from stream_app.reports.dwell import dwells
    from stream_app.reports.health_display import show_health

    found = _day(data, day)
    held = dwells(data.days, found, days)
    if as_json:
        _print_json([found])
    else:
        show_health(Console(), data, found, held, expected)
    if png is not None:
        from stream_app.reports.health_pictures import health_pictures

        _write(png, health_pictures(data, found, held, expected))


def _data(
    system: str,
    folder: Path | None,
    level: str | None = None,
    days: int = 1,
    packs: list[str] | None = None,
) -> "SystemData":
    from stream_app.reports.battery_data import NotFoundError
    from stream_app.upkeep.stores import UpkeepError

    try:
        data = _read(system, folder, level, days)
        return data.of_packs(packs) if packs else data
    except (NotFoundError, UpkeepError) as fault:
        raise UserError(str(fault)) from fault


def _read(system: str, folder: Path | None, level: str | None, days: int) -> "SystemData":
    if folder is not None:
        from stream_app.reports import battery_archive, battery_files

        if battery_archive.is_archive(folder):
            return battery_archive.read(folder, system, level or battery_archive.DAY, days)
        return battery_files.read(folder, system)
    from stream_app.upkeep.batteries import newest

    return asyncio.run(newest(load_settings(), system))


def _day(data: "SystemData", date: str | None) -> "HealthDayRecord":
    found = [each for each in data.days if date in (None, each.date)]
    if not found:
        known = (
            f"it has {data.days[0].date} to {data.days[-1].date}" if data.days else "it has none"
        )
        raise UserError(f"{data.name} has no day {date or 'of health yet'} there: {known}")
    return found[-1]


def _write(folder: Path, pictures: "Mapping[str, bytes]") -> None:
    from stream_app.reports.files import write_binary

    try:
        written = write_binary(folder, pictures)
    except OSError as fault:
        raise UserError(f"{fault.filename}: cannot be written: {fault.strerror}") from fault
    for path in written:
        typer.echo(f"wrote {path}")


def _print_json(records: object) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(records)))
