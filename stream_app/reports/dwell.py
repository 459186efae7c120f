"""Dwell of a battery system over several local days, as the terms of a warranty ask for it."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from schemas.results_battery import HealthDayRecord
from stream_app.core.health.columns import DWELLS

NAMES = ("soc_ratio", "cell_max_c", "cell_mean_c", "cell_spread_v")
"""Signals that have a histogram of dwell, in the order of ``columns.DWELLS``."""
_UNITS = {"soc_ratio": (1e4, "%"), "cell_spread_v": (1e3, "mV")}
"""What the unit of a signal is divided by, and the unit it is told in; others are temperatures."""
_TEMPERATURE = 1e3, "degC"
MS_PER_S = 1000


@dataclass(frozen=True)
class Dwell:
    """Time of a signal in each bin [ms], lowest first, over local days that know it."""

    first: str
    last: str
    days: int
    times: Sequence[int]


def dwells(
    days: Sequence[HealthDayRecord], last: HealthDayRecord, most: int | None
) -> dict[str, Dwell]:
    """Dwell of each signal over the days up to ``last``, of these or of the newest ``most``."""
    until = date.fromisoformat(last.date)
    since = date.min if most is None else until - timedelta(days=most - 1)
    within = [each for each in days if since <= date.fromisoformat(each.date) <= until]
    found = {}
    for name in NAMES:
        known = [each for each in within if name in each.dwell]
        if known:
            bins = zip(*(each.dwell[name] for each in known), strict=True)
            span = known[0].date, known[-1].date, len(known)
            found[name] = Dwell(*span, [sum(each) for each in bins])
    return found


def edges(name: str) -> tuple[list[float], str]:
    """Inner edges of the bins of a signal, one less than the bins, and their unit."""
    scale, unit = _UNITS.get(name, _TEMPERATURE)
    return DWELLS[NAMES.index(name)].edges(scale), unit


def dwell_bins(name: str) -> list[str]:
    """Names of the bins of a signal, lowest first."""
    inner, unit = edges(name)
    told = [f"{each:g}" for each in inner]
    middle = [f"{low} to {high}" for low, high in itertools.pairwise(told)]
    every = [f"below {told[0]}", *middle, f"from {told[-1]}"]
    return [f"{each} {unit}" for each in every]


def dwell_rows(day: HealthDayRecord) -> Iterator[dict[str, Any]]:
    """A row for each bin of a day in which there was time; the outer bins have one edge."""
    for name in NAMES:
        inner, unit = edges(name)
        bounds = zip([None, *inner], [*inner, None], strict=True)
        for (low, high), time in zip(bounds, day.dwell.get(name, ()), strict=False):
            if time:
                place = {"date": day.date, "system": day.system, "signal": name}
                bin_ = {"bin_from": low, "bin_to": high, "unit": unit}
                yield place | bin_ | {"seconds": time / MS_PER_S, "final": day.final}
