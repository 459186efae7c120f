"""``bess process`` of an export of signals: tables of batteries and meters."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from stream_app.cli.errors import UserError
from stream_app.cli.times import time_of

if TYPE_CHECKING:
    from replay.signals.export import SignalExport
    from stream_app.core.cells.forest import AnomalyModel
    from stream_app.process_signals import SignalResult
    from stream_app.reports.batteries import BatteryTables


def process_signals(
    export: "SignalExport", folder: Path, level: str, models: Sequence[Path] = ()
) -> None:
    """Fold the export, write its tables into ``folder``, and say what there is.

    Parameters
    ----------
    level
        Length of the windows that are kept for tables and pictures, beside the days.
    models
        Files of models of anomalies, each of one of the export's batteries.

    Raises
    ------
    UserError
        The export has no row, a model is none of its systems, or a file cannot be written.
    """
    from stream_app.cli.anomalies import read_model
    from stream_app.reports.batteries import BatteryTables
    from stream_app.reports.files import write_files

    judges = [read_model(each) for each in models]
    for path, each in zip(models, judges, strict=True):
        if each.key not in {battery.key for battery in export.batteries}:
            raise UserError(f"{path}: is of {each.key}, which the export does not have")
    tables = BatteryTables(export.batteries, level)
    result = _with_progress(export, tables, judges)
    if result.clock_ms is None:
        raise UserError("\n".join(["no row of the export has a value", *export.issues.lines()]))
    try:
        written = write_files(folder, tables.files())
    except OSError as fault:
        raise UserError(f"{fault.filename}: cannot be written: {fault.strerror}") from fault
    for line in _summary(export, result, tables):
        typer.echo(line)
    for path in written:
        typer.echo(f"wrote {path}")


def _with_progress(
    export: "SignalExport", tables: "BatteryTables", models: "Sequence[AnomalyModel]"
) -> "SignalResult":
    from stream_app.process_signals import process_signals as fold
    from stream_app.reports.progress import progress

    with progress() as shown:
        task = shown.add_task("rows", total=export.total_rows or None, note="")

        def on_progress(row: int, clock_ms: int | None) -> None:
            shown.update(task, completed=row, note=time_of(clock_ms))

        return fold(export, tables.take, on_progress, models, tables.levels)


def _summary(
    export: "SignalExport", result: "SignalResult", tables: "BatteryTables"
) -> Iterator[str]:
    windows = ", ".join(f"{count:,} of {name}" for name, count in result.windows.items())
    yield f"{result.rows:,} rows, {result.samples:,} rows of packs, systems and meters"
    yield f"windows of packs: {windows or 'none'}"
    raised = sum(each.state == "raised" for each in tables.alarms)
    yield f"alarms raised: {raised}; battery days: {len(tables.health)}"
    yield from tables.unwatched()
    if result.late:
        yield f"{result.late:,} rows came too late"
    for reason, count in result.refusals.items():
        yield f"refused {count:,} times: {reason}"
    yield from export.issues.lines()
