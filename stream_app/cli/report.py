"""``bess report``, ``bess process`` and ``bess rollups``."""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

from stream_app.cli.deployment import load_settings
from stream_app.cli.errors import UserError
from stream_app.cli.times import time_of

if TYPE_CHECKING:
    from rich.progress import Progress

    from replay.config import Config
    from replay.export import Export
    from schemas.results import DailyRecord
    from stream_app.process import ProcessResult
    from stream_app.reading import Topics
    from stream_app.reports.catch_up import Lag
    from stream_app.reports.files import ReportPaths
    from stream_app.reports.rollups import Windows
    from stream_app.reports.station import StationResults
    from stream_app.settings import Settings

T = TypeVar("T")

ConfigPath = Annotated[Path, typer.Option("--config", "-c", help="The station's config.yaml.")]
Out = Annotated[
    Path | None,
    typer.Option(help="Directory for the files; else output.dir, beside the config file."),
]
Exports = Annotated[
    list[str] | None,
    typer.Argument(help="Files, folders or patterns; else data.paths of the config."),
]
CONFIG = Path("config.yaml")


class Resolution(StrEnum):
    """Length of windows."""

    FIVE_MINUTES = "5min"
    QUARTER = "15min"
    HOUR = "1h"


class CellLevel(StrEnum):
    """Length of windows of cells."""

    FIVE_MINUTES = "5min"
    QUARTER = "15min"
    HOUR = "1h"
    DAY = "1d"


class Format(StrEnum):
    """How windows are printed."""

    CSV = "csv"
    JSONL = "jsonl"


def report(
    config: ConfigPath = CONFIG,
    out: Out = None,
    *,
    wait: Annotated[
        bool, typer.Option(help="Wait until the workers have folded all telemetry.")
    ] = True,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds without headway after which to give up.")
    ] = 60.0,
) -> None:
    """Write the daily table, the outliers and the heatmap from what the stream produced."""
    from stream_app.reports.remarks import too_late

    station = _config(config)
    if station.signals.rules:
        raise UserError(
            f"{config}: its signals are of batteries and meters, a report is of power. Of "
            "batteries there are `bess cells SYSTEM` and `bess health SYSTEM`, of all tables "
            "`bess archive`; `bess process` writes those of the export"
        )
    patience_s = timeout if wait else None
    results = ask_kafka(lambda settings: _read_station(settings, station.site, patience_s))
    paths = _paths(config, station, out)
    _finish(results.daily, paths, results, too_late(results.too_late))


def process(
    exports: Exports = None,
    config: ConfigPath = CONFIG,
    out: Out = None,
    windows: Annotated[
        CellLevel,
        typer.Option(
            help="Windows of cells to keep beside the days, for `bess cells --from`; some 20 kB "
            "of memory each."
        ),
    ] = CellLevel.DAY,
    anomaly_model: Annotated[
        list[Path] | None,
        typer.Option(help="Model of `bess anomalies train`, for one of the export's batteries."),
    ] = None,
) -> None:
    """Write the same files straight from the export, without Kafka and Redis.

    Of an export of signals these are tables of its batteries and meters, and the records that
    `bess cells --from` and `bess health --from` make tables and pictures of.
    """
    station = _config(config, exports or [])
    if station.signals.rules:
        folder = out if out is not None else config.parent / station.output.dir
        _process_signals(station, folder, windows.value, anomaly_model or [])
    elif anomaly_model:
        raise UserError(f"--anomaly-model: {config} has no batteries with cells")
    else:
        _process_power(station, config, out)


def _process_power(station: "Config", config: Path, out: Path | None) -> None:
    from replay.errors import ReplayError
    from replay.export import Export
    from stream_app.reports.remarks import remarks
    from stream_app.reports.station import StationResults

    try:
        export = Export.open(station)
        result = _process_with_progress(export)
    except ReplayError as fault:
        raise UserError(str(fault)) from fault
    told = remarks(export.issues, result)
    if not result.daily:
        raise UserError("\n".join([f"{config}: no row of the export has power", *told]))
    enclosures = {name for each in export.blocks for of in each.inputs.values() for name in of}
    results = StationResults(result.daily, enclosures, result.alarms)
    paths = _paths(config, station, out)
    _finish(result.daily, paths, results, told, _figures(result))


def _process_signals(station: "Config", folder: Path, level: str, models: Sequence[Path]) -> None:
    from replay.errors import ReplayError
    from stream_app.cli.feeds import open_signals
    from stream_app.cli.process_signals import process_signals

    try:
        process_signals(open_signals(station), folder, level, models)
    except ReplayError as fault:
        raise UserError(str(fault)) from fault


def rollups(
    resolution: Annotated[Resolution, typer.Option(help="Length of the windows.")],
    *,
    site: Annotated[str | None, typer.Option(help="Only this site.")] = None,
    enclosure: Annotated[str | None, typer.Option(help="Only this enclosure.")] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", help="ISO 8601 time of the first window; UTC unless said."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--to", help="Windows that start at this time or later are left out."),
    ] = None,
    format: Annotated[Format, typer.Option(help="Form of the lines.")] = Format.CSV,  # noqa: A002
) -> None:
    """Print windows of the stream: a line for each enclosure and window, newest revision only."""
    from stream_app.reports.rollups import FORMATS, Selection, Windows

    selection = Selection(site, enclosure, _instant("--from", since), _instant("--to", until))
    windows = Windows(selection)
    ask_kafka(lambda settings: _read_rollups(settings, resolution.value, windows))
    if not windows:
        typer.echo("no window matches", err=True)
    _write_lines(FORMATS[format.value](windows.rows()))


def _config(path: Path, exports: Sequence[str] = ()) -> "Config":
    from replay.config import load_config
    from replay.errors import ReplayError

    try:
        return load_config(path, exports)
    except ReplayError as fault:
        raise UserError(str(fault)) from fault


def _paths(config: Path, station: "Config", out: Path | None) -> "ReportPaths":
    from stream_app.reports.files import ReportPaths

    output = station.output
    base = out if out is not None else config.parent / output.dir
    return ReportPaths(
        base / output.daily_table_file, base / output.outliers_file, base / output.heatmap_file
    )


def _finish(
    daily: "Sequence[DailyRecord]",
    paths: "ReportPaths",
    results: "StationResults",
    remarks: Sequence[str] = (),
    figures: Mapping[str, str] | None = None,
) -> None:
    from stream_app.reports.display import Told, show
    from stream_app.reports.files import write_reports
    from stream_app.reports.summary import summarise, without_energy

    try:
        files = write_reports(daily, paths)
    except OSError as fault:
        raise UserError(f"{fault.filename}: cannot be written: {fault.strerror}") from fault
    missing = without_energy(results.enclosures, daily)
    told = Told(results.alarms.rows(), missing, files, remarks, figures or {})
    show(Console(), summarise(daily), told)


def _process_with_progress(export: "Export") -> "ProcessResult":
    from stream_app.process import process as process_export
    from stream_app.reports.progress import progress

    with progress() as shown:
        task = shown.add_task("rows", total=export.total_rows or None, note="")

        def on_progress(row: int, clock_ms: int | None) -> None:
            shown.update(task, completed=row, note=time_of(clock_ms))

        return process_export(export, on_progress)


def ask_kafka(question: "Callable[[Settings], Awaitable[T]]") -> T:
    """Answer a question to the deployment's Kafka; what a person can mend is a `UserError`."""
    from stream_app.reading import StreamError

    async def ask() -> T:
        return await question(load_settings())

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(ask())
    except StreamError as fault:
        raise UserError(str(fault)) from fault


async def _read_station(
    settings: "Settings", site: str, patience_s: float | None
) -> "StationResults":
    from stream_app.reading import open_topics
    from stream_app.reports.progress import progress
    from stream_app.reports.station import SiteReader
    from stream_app.settings import kafka_options

    with progress() as shown:
        async with open_topics(kafka_options(settings)) as topics:
            if patience_s is not None:
                await wait(settings, topics, shown, patience_s)
            task = shown.add_task("reading results", total=None, note="")
            settled = patience_s is not None
            reader = SiteReader(
                topics, settings.prefix, site, settled, lambda count: shown.advance(task, count)
            )
            return await reader.results()


async def wait(
    settings: "Settings", topics: "Topics", shown: "Progress", patience_s: float
) -> None:
    """Wait until the workers have folded all telemetry that there is now."""
    from schemas.topics import TELEMETRY
    from stream_app.reports.catch_up import wait_for_workers

    task = shown.add_task("waiting for the workers", total=None, note="")

    def on_lag(lag: "Lag") -> None:
        note = f"{lag.behind:,} records behind" if lag.started else "no worker has committed yet"
        shown.update(task, total=lag.total, completed=lag.total - lag.behind, note=note)

    telemetry = TELEMETRY.name(settings.prefix)
    await wait_for_workers(topics, telemetry, settings.app_id, on_lag, patience_s)
    shown.remove_task(task)


async def _read_rollups(settings: "Settings", resolution: str, windows: "Windows") -> None:
    from schemas.topics import ROLLUPS
    from stream_app.reading import open_topics
    from stream_app.reports.progress import progress
    from stream_app.reports.station import read_rollups
    from stream_app.settings import kafka_options

    with progress() as shown:
        task = shown.add_task(f"reading {resolution} windows", total=None, note="")
        async with open_topics(kafka_options(settings)) as topics:
            name = ROLLUPS[resolution].name(settings.prefix)
            async for record in read_rollups(topics, name):
                windows.add(record)
                shown.advance(task)


def _write_lines(lines: Iterable[str]) -> None:
    try:
        sys.stdout.writelines(lines)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _instant(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"{option} {text}: is not ISO 8601, such as 2025-04-06T00:00+10:00"
        ) from None
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


def _figures(result: "ProcessResult") -> dict[str, str]:
    windows = ", ".join(f"{count:,} of {name}" for name, count in result.windows.items())
    return {"rows": f"{result.rows:,}", "samples": f"{result.samples:,}", "windows": windows}
