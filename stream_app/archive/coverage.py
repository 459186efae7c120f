"""Whether what a model is learned from shows what a battery does in a week."""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from stream_app.archive.disk import ArchiveError
from stream_app.archive.read import read

FEWEST_DAYS = 7
"""What a battery does once a week is seen once."""
LOW_SOC, HIGH_SOC = 0.2, 0.95
"""Cells differ at the ends of the curve: days that go neither below nor above do not show how."""
_CHARGE = "soc_ratio"


def gaps(
    directory: Path,
    names: Mapping[str, str],
    since: date | None,
    until: date | None,
    cells: pa.Table,
) -> Iterator[str]:
    """What five-minute windows of cells lack to learn from; nothing if nothing.

    Parameters
    ----------
    names
        Site and system.
    since, until
        Local days of the windows.
    cells
        The windows, with ``date``, ``voltage_min_v`` and ``voltage_max_v``.
    """
    days = pc.count_distinct(cells["date"]).as_py()
    if days < FEWEST_DAYS:
        yield f"{days} days, fewer than {FEWEST_DAYS}: what happens once a week is unusual to it"
    charge = _charge(directory, names, since, until)
    if charge is None:
        lowest, highest = pc.min(cells["voltage_min_v"]), pc.max(cells["voltage_max_v"])
        yield (
            f"no {_CHARGE} in the archive: see yourself that cells from {lowest.as_py():.3f} to "
            f"{highest.as_py():.3f} V are the whole range of charge"
        )
    elif charge[0] > LOW_SOC or charge[1] < HIGH_SOC:
        yield (
            f"SOC from {charge[0]:.0%} to {charge[1]:.0%} only: cells beyond that, below "
            f"{LOW_SOC:.0%} or above {HIGH_SOC:.0%}, are unusual to it"
        )


def _charge(
    directory: Path, names: Mapping[str, str], since: date | None, until: date | None
) -> tuple[float, float] | None:
    """Lowest and highest charge on these days; None: not known."""
    columns = ["signal", "lowest", "highest"]
    try:
        signals = read(directory, "signals_5min", names, since, until, columns)
    except ArchiveError:
        return None
    of_charge = signals.filter(pc.equal(signals["signal"], _CHARGE))
    lowest, highest = pc.min(of_charge["lowest"]).as_py(), pc.max(of_charge["highest"]).as_py()
    return None if lowest is None else (lowest, highest)
