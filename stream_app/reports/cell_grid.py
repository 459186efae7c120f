"""What the pictures of cells show, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream_app.core.calendar import RESOLUTIONS_MS, calendar
from stream_app.core.energy import Floats, Ints
from stream_app.reports.battery_data import SystemData, cells
from stream_app.reports.cells_display import standing

MOST_COLUMNS = 1200
"""Windows side by side that a picture can show."""
ROBUST = 80
"""Percentile of the sizes of all values that the colours reach to, so that all cells are told."""


@dataclass(frozen=True)
class Strips:
    """Values of the newest window, a row a pack.

    Attributes
    ----------
    values
        (packs, most cells); NaN where a cell has no value, or the pack is shorter.
    sizes
        Cells of each pack.
    critical
        Numbers of the critical cells of each pack, with what they are.
    """

    packs: Sequence[str]
    values: Floats
    sizes: Sequence[int]
    critical: Sequence[dict[int, str]]


def strips(data: SystemData, level: str, name: str) -> Strips:
    """A column of the newest windows, for instance ``voltage_deviation_v``."""
    newest = data.newest(level)
    sizes = [data.battery.packs[pack] for pack in newest]
    values = np.full((len(newest), max(sizes)), np.nan)
    for row, record in enumerate(newest.values()):
        found = cells(record, name)
        values[row, : found.size] = found
    critical = [
        {cell: ", ".join(each.rule for each in every) for cell, every in marks.items()}
        for marks in (standing(data, pack) for pack in newest)
    ]
    return Strips(list(newest), values, sizes, critical)


@dataclass(frozen=True)
class Surface:
    """A value of each cell of a pack over time.

    Attributes
    ----------
    values
        (cells, columns); NaN where there is no window, or no value.
    edges
        (columns + 1,) [ms UTC].
    together
        Windows in a column: the one furthest from the middle is shown.
    """

    pack: str
    values: Floats
    edges: Ints
    together: int


def surface(data: SystemData, level: str, pack: str, name: str, middle: float = 0.0) -> Surface:
    """A column of all windows of a pack; no event is lost where several share a place.

    Parameters
    ----------
    middle
        Of windows that share a place, the value furthest from it is shown.
    """
    records = data.of(level, pack)
    edges = _edges(data, level)
    values = np.full((data.battery.packs[pack], edges.size - 1), np.nan)
    for record in records:
        at = int(np.searchsorted(edges, record.start[0], side="right")) - 1
        values[:, at] = cells(record, name)
    together = -(-values.shape[1] // MOST_COLUMNS)
    shown = _furthest(values - middle, together) + middle if together > 1 else values
    return Surface(pack, shown, _every(edges, together), together)


def _edges(data: SystemData, level: str) -> Ints:
    """Edges of all windows that there could be, from the first to the last of any pack."""
    every = [each for each in data.windows if each.resolution == level]
    first, last = min(each.start[0] for each in every), max(each.start[0] for each in every)
    if RESOLUTIONS_MS[level]:
        return np.arange(first, last + 2 * RESOLUTIONS_MS[level], RESOLUTIONS_MS[level])
    found: Ints = calendar(data.battery.zone).edges(level, first, last)
    return found


def _every(edges: Ints, together: int) -> Ints:
    kept = edges[::together]
    return kept if (edges.size - 1) % together == 0 else np.append(kept, edges[-1])


def _furthest(values: Floats, together: int) -> Floats:
    """Of each run of columns the value furthest from 0."""
    padded = np.pad(values, ((0, 0), (0, -values.shape[1] % together)), constant_values=np.nan)
    runs = padded.reshape(values.shape[0], -1, together)
    sizes = np.where(np.isnan(runs), -1.0, np.abs(runs))
    found: Floats = np.take_along_axis(runs, sizes.argmax(axis=2)[:, :, None], axis=2)[:, :, 0]
    return found


def reach(values: Floats, least: float) -> tuple[float, bool]:
    """How far the colours reach on either side of 0, and whether values lie beyond."""
    sizes = np.abs(values[~np.isnan(values)])
    found = max(least, float(np.percentile(sizes, ROBUST))) if sizes.size else least
    return found, bool((sizes > found).any())


def day_marks(edges: Ints, zone: str, most: int) -> list[tuple[float, str]]:
    """Places of local midnights between columns, with their dates; ``most`` of them."""
    days = calendar(zone).edges("1d", int(edges[0]), int(edges[-1]) - 1)
    inside = [int(day) for day in days if edges[0] <= day < edges[-1]] or [int(edges[0])]
    step = -(-len(inside) // most)
    places = np.interp(inside, edges, np.arange(edges.size)) - 0.5
    dates = [calendar(zone).local_date(day).isoformat() for day in inside]
    return list(zip(places.tolist(), dates, strict=True))[::step]


def cell_marks(count: int, most: int = 14) -> list[tuple[float, str]]:
    """Places and numbers of some cells: the first, then round numbers."""
    step = next(each for each in (1, 2, 5, 10, 20, 50, 100) if count <= each * most)
    numbers = [1, *range(step if step > 1 else 2, count + 1, step)]
    return [(number - 1.0, f"{number}") for number in numbers]
