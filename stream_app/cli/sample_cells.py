"""``bess sample --cells``."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from replay.sample.cells import CellReport, CellSpec, Fault


def write_cells(directory: Path, *, interval: str | None, faults: str, **options: Any) -> None:
    """Write an export of cells, and say what is in it.

    Parameters
    ----------
    interval
        Time between rows, as people write it.
    faults
        Kinds with commas between them, or ``none``.
    options
        Others of a ``CellSpec``; None: its default.
    """
    from rich.progress import Progress

    from replay.sample import interval_seconds
    from replay.sample.cells import CellSpec, files_of
    from replay.sample.cells import write_cells as write

    options["interval_s"] = None if interval is None else interval_seconds(interval)
    kinds = () if faults in ("", "none") else tuple(kind.strip() for kind in faults.split(","))
    chosen = {name: value for name, value in options.items() if value is not None}
    spec = CellSpec(faults=kinds, **chosen)  # type: ignore[arg-type]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Writing files", total=files_of(spec))
        report = write(directory, spec, lambda: progress.advance(task))
    _print(report, spec)


def _print(report: "CellReport", spec: "CellSpec") -> None:
    typer.echo(
        f"{report.files:,} files of {report.rows:,} rows at most, {report.size / 1e6:.1f} MB; "
        f"to read them: {report.config}"
    )
    typer.echo(f"{len(report.missing)} files missing, {len(report.gaps)} files with gaps")
    for fault in report.faults:
        typer.echo(f"  {_line(fault, spec)}")
    typer.echo(f"what was planted: {report.truth}")


def _line(fault: "Fault", spec: "CellSpec") -> str:
    from zoneinfo import ZoneInfo

    since = datetime.fromtimestamp(fault.start / 1000, tz=UTC).astimezone(ZoneInfo(spec.zone))
    place = f"pack {fault.pack} cell {fault.cell}" if fault.cell else "fa1"
    return f"{fault.kind}: {fault.system} {place} from {since:%Y-%m-%d %H:%M%z}"
