"""Daily energy as a rectangle: enclosures down, every day of the span across."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from schemas.results import DailyRecord
from stream_app.core.energy import kwh
from stream_app.core.order import natural_key

Floats = NDArray[np.float64]

EACH_DAY_UP_TO = 16
MONDAYS_UP_TO = 112
MONTHS_AT_MOST = 18

Tick = tuple[int, str]


@dataclass(frozen=True, eq=False)
class Grid:
    """Discharged energy of each enclosure and day.

    Attributes
    ----------
    enclosures, blocks
        (n,) ids in natural order, and the power block that each belongs to.
    days
        (m,) local dates without a hole.
    discharged_kwh
        (n, m) energy [kWh]; NaN where the day is unknown.
    coverage
        (n, m) seconds known / seconds of the day; 0 where there is no record.
    """

    enclosures: list[str]
    blocks: list[str]
    days: list[date]
    discharged_kwh: Floats
    coverage: Floats


def grid(days: Sequence[DailyRecord]) -> Grid:
    """Lay out the newest revisions.

    Raises
    ------
    ValueError
        There is no record.
    """
    if not days:
        raise ValueError("no daily energy to lay out")
    blocks = {day.enclosure: day.block for day in days}
    enclosures = sorted(blocks, key=natural_key)
    dates = _span([date.fromisoformat(day.date) for day in days])
    row = {name: place for place, name in enumerate(enclosures)}
    column = {each.isoformat(): place for place, each in enumerate(dates)}
    energy = np.full((len(enclosures), len(dates)), np.nan)
    coverage = np.zeros_like(energy)
    for day in days:
        place = row[day.enclosure], column[day.date]
        coverage[place] = day.coverage
        if day.coverage > 0:
            energy[place] = kwh(day.discharged_w_ms)
    return Grid(enclosures, [blocks[name] for name in enclosures], dates, energy, coverage)


def day_ticks(days: Sequence[date]) -> list[Tick]:
    """Columns to label: each day, Mondays, or firsts of months, as there is room."""
    if len(days) <= EACH_DAY_UP_TO:
        return [(at, f"{day.day} {day:%b}") for at, day in enumerate(days)]
    if len(days) <= MONDAYS_UP_TO:
        return [(at, f"{day.day} {day:%b}") for at, day in enumerate(days) if day.weekday() == 0]
    firsts = [(at, f"{day:%b %Y}") for at, day in enumerate(days) if day.day == 1]
    return _thinned(firsts, MONTHS_AT_MOST)


def enclosure_ticks(each: Grid, at_most: int) -> list[Tick]:
    """Rows to label: every enclosure where there is room, else the first of each power block."""
    every = list(enumerate(each.enclosures))
    if len(every) <= at_most:
        return every
    firsts = [(at, name) for at, name in every if not at or each.blocks[at] != each.blocks[at - 1]]
    return _thinned(firsts, at_most)


def _thinned(ticks: list[Tick], at_most: int) -> list[Tick]:
    return ticks[:: -(-len(ticks) // at_most)] if ticks else ticks


def _span(dates: Sequence[date]) -> list[date]:
    first, last = min(dates), max(dates)
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
