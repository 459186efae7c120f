"""``bess sample``: write a made-up station export."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from stream_app.cli.errors import UserError
from stream_app.cli.sample_cells import write_cells
from stream_app.cli.sample_station import write_station


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


Directory = Annotated[Path, typer.Argument(help="Where to write the export and its config.yaml.")]
Cells = Annotated[
    bool, typer.Option("--cells", help="Cells of batteries and meters, a file a signal.")
]
Start = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], help="First local day; else 2025-04-01, with --cells 2025-10-20."
    ),
]
Days = Annotated[int | None, typer.Option(help="Number of local days; else 7, with --cells 10.")]
Interval = Annotated[
    str | None,
    typer.Option(help="Time between rows: 15min, 1min, 1s, 1h; else 15min, with --cells 1min."),
]
Zone = Annotated[
    str | None, typer.Option(help="Time zone; else Australia/Sydney, with --cells Europe/Berlin.")
]
Systems = Annotated[int, typer.Option(help="With --cells: battery systems.")]
Packs = Annotated[int, typer.Option(help="With --cells: packs a system.")]
CellsAPack = Annotated[int, typer.Option(help="With --cells: cells a pack.")]
Meters = Annotated[int, typer.Option(help="With --cells: meters.")]
Faults = Annotated[
    str, typer.Option(help="With --cells: one each of weak,drift,hot,stuck,smoke; or none.")
]
Clocks = Annotated[bool, typer.Option(help="With --cells: clocks of files that differ by seconds.")]
Inverters = Annotated[int, typer.Option(help="Inverters of 3.6 MW, two DC inputs each.")]
EnclosuresOf = Annotated[Enclosures, typer.Option(help="Enclosures an inverter.")]
BatteryColumns = Annotated[int, typer.Option(help="Columns an enclosure, 1 to 8.")]
Seed = Annotated[int, typer.Option(help="Same seed, same bytes.")]
FileFormat = Annotated[Format, typer.Option(help="File format.")]
Split = Annotated[FilesPer, typer.Option(help="Split of the export.")]
Gaps = Annotated[bool, typer.Option(help="Missing rows and stretches of cells.")]
BadCells = Annotated[bool, typer.Option(help="Some empty and some text cells.")]
ClockChange = Annotated[
    bool,
    typer.Option(help="Naive local time: an hour repeats or is skipped. Without: with offsets."),
]
Shuffle = Annotated[bool, typer.Option(help="Columns in another order in each file.")]
Weak = Annotated[bool, typer.Option(help="One DC input gives clearly less.")]
Clean = Annotated[bool, typer.Option("--clean", help="None of the defects above.")]


def sample(
    directory: Directory,
    *,
    cells: Cells = False,
    start: Start = None,
    days: Days = None,
    interval: Interval = None,
    zone: Zone = None,
    systems: Systems = 3,
    packs: Packs = 5,
    cells_a_pack: CellsAPack = 52,
    meters: Meters = 2,
    faults: Faults = "weak,drift,hot,stuck,smoke",
    clocks: Clocks = True,
    inverters: Inverters = 6,
    enclosures: EnclosuresOf = Enclosures.MIXED,
    battery_columns: BatteryColumns = 4,
    seed: Seed = 1,
    format: FileFormat = Format.PARQUET,  # noqa: A002
    files_per: Split = FilesPer.MONTH,
    gaps: Gaps = True,
    bad_cells: BadCells = True,
    clock_change: ClockChange = True,
    shuffle: Shuffle = True,
    weak: Weak = True,
    clean: Clean = False,
) -> None:
    """Write a made-up export with the defects of real ones, and the config to read it."""
    if clean:
        faults, clocks = "none", False
        gaps = bad_cells = clock_change = shuffle = weak = False
    common: dict[str, Any] = {
        "start": start.date() if start else None,
        "days": days,
        "interval": interval,
        "zone": zone,
        "seed": seed,
        "gaps": gaps,
    }
    with _explained():
        if cells:
            write_cells(
                directory,
                **common,
                systems=systems,
                packs=packs,
                cells=cells_a_pack,
                meters=meters,
                faults=faults,
                clocks=clocks,
            )
        else:
            write_station(
                directory,
                **common,
                inverters=inverters,
                enclosures=enclosures.value,
                format=format.value,
                files_per=files_per.value,
                battery_columns=battery_columns,
                bad_cells=bad_cells,
                clock_change=clock_change,
                shuffle=shuffle,
                weak=weak,
            )


@contextmanager
def _explained() -> Iterator[None]:
    from replay.sample import SampleError

    try:
        yield
    except (SampleError, OSError) as fault:
        raise UserError(str(fault)) from fault
