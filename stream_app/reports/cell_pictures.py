"""Pictures of the cells of a battery system: equal records give equal bytes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from schemas.results_battery import CellWindowsRecord
from stream_app.core.energy import Floats
from stream_app.reports.battery_data import SystemData, cells
from stream_app.reports.cell_grid import (
    Strips,
    Surface,
    cell_marks,
    day_marks,
    reach,
    strips,
    surface,
)
from stream_app.reports.cells_display import DAY, local, of_pack, standing
from stream_app.reports.drawing import (
    BLUE,
    COLOUR_MAP,
    DIVERGING_MAP,
    INK,
    LABEL_POINTS,
    QUIET,
    RED,
    UNKNOWN,
    colour_bar,
    empty_figure,
    headline,
    label,
    plain,
    png,
    title,
    unknown_area,
)
from stream_app.reports.health_display import told

LEAST_MV, LEAST_K = 10.0, 3.0
"""The colours reach at least this far: what is called critical."""
_QUANTITIES = (
    ("voltage_deviation_v", 1000.0, "mV", LEAST_MV, "voltage"),
    ("temperature_deviation_c", 1.0, "K", LEAST_K, "temperature"),
)


def cell_pictures(data: SystemData, level: str) -> dict[str, bytes]:
    """Pictures by file name: strips, packs, and over time where there are several windows."""
    name = f"{data.battery.system}_"
    found = {
        f"{name}cells_strips.png": png(lambda: _strips(data, level)),
        f"{name}packs.png": png(lambda: _packs(data, level)),
    }
    if any(len(data.of(level, pack)) > 1 for pack in data.packs):
        found[f"{name}cells_voltage.png"] = png(lambda: _over_time(data, level, "voltage_mean_v"))
        found[f"{name}cells_deviation.png"] = png(
            lambda: _over_time(data, level, "voltage_deviation_v")
        )
    return found


def _span(data: SystemData, level: str, every: bool = False) -> str:
    records = (
        [each for each in data.windows if each.resolution == level]
        if every
        else list(data.newest(level).values())
    )
    zone = data.battery.zone
    first, last = min(each.start[0] for each in records), max(each.end[0] for each in records)
    return f"{local(first, zone)} to {local(last, zone)} {zone}"


def _strips(data: SystemData, level: str) -> Figure:
    drawn = [strips(data, level, name) for name, *_ in _QUANTITIES]
    rows = len(drawn[0].packs)
    figure = empty_figure(12.5, 1.9 + 2 * (0.55 + 0.42 * rows))
    parts = figure.subplots(2, 1)
    note = "; framed and numbered: critical; hatched: no value"
    for axes, each, (_, per_unit, unit, least, what) in zip(parts, drawn, _QUANTITIES, strict=True):
        _draw_strips(figure, axes, each, per_unit, unit, least)
        title(axes, f"{what}: mean deviation of each cell from its pack's median{note}")
        note = ""
    parts[1].set_xlabel("cell, numbered along the line", fontsize=LABEL_POINTS + 1, color=INK)
    headline(figure, f"{data.name}: cells beside their packs, {_span(data, level)}")
    return figure


def _draw_strips(
    figure: Figure, axes: Axes, each: Strips, per_unit: float, unit: str, least: float
) -> None:
    values = each.values * per_unit
    limit, beyond = reach(values, least)
    for row, size in enumerate(each.sizes):
        area = unknown_area(1, size)
        area.set_y(row - 0.5)
        axes.add_patch(area)
    image = axes.imshow(
        np.ma.masked_invalid(values),
        cmap=DIVERGING_MAP,
        vmin=-limit,
        vmax=limit,
        aspect="auto",
        interpolation="nearest",
        zorder=1,
    )
    for edge in range(len(each.packs) + 1):
        axes.axhline(edge - 0.5, color="white", linewidth=7, zorder=2)
    for row, marks in enumerate(each.critical):
        for cell in marks:
            _mark(axes, row, cell)
    label(axes, "x", cell_marks(values.shape[1]))
    label(axes, "y", [(row, f"pack {pack}") for row, pack in enumerate(each.packs)])
    plain(axes)
    colour_bar(figure, image, [axes], f"[{unit}]", "both" if beyond else "neither")


def _mark(axes: Axes, row: int, cell: int) -> None:
    """A frame around a critical cell, and its number above."""
    frame = Rectangle(
        (cell - 1.5, row - 0.41), 1, 0.82, facecolor="none", edgecolor="black", linewidth=1.6
    )
    axes.add_patch(frame).set_zorder(4)
    axes.annotate(
        f"{cell}",
        (cell - 1, row),
        ha="center",
        va="center",
        fontsize=LABEL_POINTS,
        fontweight="bold",
        color="black",
        bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "linewidth": 0},
        zorder=5,
    )


def _over_time(data: SystemData, level: str, name: str) -> Figure:
    packs = [pack for pack in data.packs if data.of(level, pack)]
    deviates = name == "voltage_deviation_v"
    middle = 0.0 if deviates else _middle(data, level, name)
    drawn = [surface(data, level, pack, name, middle) for pack in packs]
    every = np.concatenate([each.values.ravel() for each in drawn]) * (1000 if deviates else 1)
    figure = empty_figure(13.0, 1.4 + 1.75 * len(packs))
    parts = list(np.atleast_1d(figure.subplots(len(packs), 1, sharex=True)))
    limit, beyond = reach(every, LEAST_MV)
    low, high = (-limit, limit) if deviates else _range(every)
    for axes, each in zip(parts, drawn, strict=True):
        image = _draw_surface(axes, each, low, high, deviates)
        _critical_rows(axes, data, each)
    label(parts[-1], "x", day_marks(drawn[0].edges, data.battery.zone, 12))
    text = "deviation from the pack's median [mV]" if deviates else "mean voltage [V]"
    colour_bar(figure, image, parts, text, "both" if deviates and beyond else "neither")
    kept = f"; of each {drawn[0].together} windows the extreme" if drawn[0].together > 1 else ""
    what = "mean deviation from the pack's median" if deviates else "mean voltage"
    title(parts[0], f"windows of {level}{kept}; on the right: critical cells; hatched: no value")
    headline(figure, f"{data.name}: {what} of each cell, {_span(data, level, True)}")
    return figure


def _middle(data: SystemData, level: str, name: str) -> float:
    every = [cells(each, name) for each in data.windows if each.resolution == level]
    return float(np.nanmedian(np.concatenate(every)))


def _range(values: Floats) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def _draw_surface(axes: Axes, each: Surface, low: float, high: float, deviates: bool) -> AxesImage:
    rows, columns = each.values.shape
    axes.add_patch(unknown_area(rows, columns))
    image = axes.imshow(
        np.ma.masked_invalid(each.values * (1000 if deviates else 1)),
        cmap=DIVERGING_MAP if deviates else COLOUR_MAP,
        vmin=low,
        vmax=high,
        aspect="auto",
        interpolation="nearest",
        origin="lower",
        zorder=1,
    )
    label(axes, "y", cell_marks(rows, 6))
    axes.set_ylabel(f"pack {each.pack}: cell", fontsize=LABEL_POINTS + 1, color=INK)
    plain(axes)
    return image


def _critical_rows(axes: Axes, data: SystemData, each: Surface) -> None:
    """Numbers of the critical cells on the right, at their rows."""
    for cell in standing(data, each.pack):
        axes.annotate(
            f"< {cell}",
            (each.values.shape[1] - 0.5, cell - 1),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=LABEL_POINTS,
            color=INK,
            annotation_clip=False,
        )


def _packs(data: SystemData, level: str) -> Figure:
    newest = data.newest(level)
    figure = empty_figure(12.5, 9.4)
    grid = figure.subplots(3, 2)
    named = [sorted(standing(data, pack)) for pack in newest]
    for row, (column, spread, per_unit, units) in enumerate(
        (
            ("voltage_mean_v", "voltage_spread_v", 1000.0, ("V", "mV")),
            ("temperature_mean_c", "temperature_spread_c", 1.0, ("degC", "K")),
        )
    ):
        what = column.partition("_")[0]
        values = [cells(each, column) for each in newest.values()]
        _dots(grid[row][0], values, named, list(newest))
        note = "line: median; large dots: critical"
        title(grid[row][0], f"mean {what} of each cell [{units[0]}]; {note}")
        known = [getattr(each, spread)[0] for each in newest.values()]
        heights = [np.nan if each is None else each * per_unit for each in known]
        _bars(grid[row][1], heights, list(newest))
        title(grid[row][1], f"largest spread of the {what} at one time [{units[1]}]")
    days = data.newest(DAY)
    for axes, name, what in (
        (
            grid[2][0],
            "soc_ledger_ratio",
            "state of charge by the ledger, end of the newest day [%]",
        ),
        (grid[2][1], "soh_ledger_ratio", "state of health by the ledger [%]"),
    ):
        error = name.replace("_ratio", "_error_ratio")
        heights, errors = (
            [_percent(days[pack], each) if pack in days else np.nan for pack in newest]
            for each in (name, error)
        )
        _bars(axes, heights, list(newest), errors)
        title(axes, f"{what}; line: error bound")
    headline(figure, f"{data.name}: packs side by side, {_span(data, level)}{_whole(data)}")
    return figure


def _percent(record: CellWindowsRecord, name: str) -> float:
    ratio = of_pack(record, name)
    return np.nan if ratio is None else ratio * 100


def _whole(data: SystemData) -> str:
    """What is known of the system as a whole."""
    if not data.days:
        return ""
    day = data.days[-1]
    soc, soh = (told(day, name, ".1f", 100, " %") for name in ("soc_ratio", "soh_bms_ratio"))
    return f"\nwhole system at the end of {day.date}: SOC {soc}, SOH {soh} (BMS)"


def _dots(
    axes: Axes, values: Sequence[Floats], critical: Sequence[list[int]], packs: Sequence[str]
) -> None:
    for place, (each, named) in enumerate(zip(values, critical, strict=True)):
        across = place + np.linspace(-0.35, 0.35, each.size)
        axes.scatter(across, each, s=9, color=BLUE, linewidth=0, zorder=2)
        if not np.isnan(each).all():
            middle = float(np.nanmedian(each))
            axes.hlines(middle, place - 0.4, place + 0.4, color=INK, linewidth=0.9, zorder=1)
        for cell in named:
            if not np.isnan(each[cell - 1]):
                at = across[cell - 1], each[cell - 1]
                axes.scatter(*at, s=30, color=RED, linewidth=0, zorder=3)
                axes.annotate(
                    f"{cell}",
                    at,
                    xytext=(5, 3),
                    textcoords="offset points",
                    fontsize=LABEL_POINTS,
                    color=INK,
                )
    _pack_axis(axes, packs)


def _bars(
    axes: Axes, heights: Sequence[float], packs: Sequence[str], errors: Sequence[float] = ()
) -> None:
    """Bars with their numbers, and how far they may be wrong where that is told."""
    axes.bar(range(len(packs)), heights, width=0.6, color=QUIET, linewidth=0, zorder=2)
    for place, error in enumerate(errors):
        axes.vlines(place, heights[place] - error, heights[place] + error, color=INK, linewidth=1.2)
    for place, height in enumerate(heights):
        known = errors and not np.isnan(errors[place])
        bound = f" +- {errors[place]:.2g}" if known else ""
        text = "unknown" if np.isnan(height) else f"{height:.3g}{bound}"
        above = height + (errors[place] if known else 0.0)
        level = 0.0 if np.isnan(height) else above
        axes.annotate(
            text,
            (place, level),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=LABEL_POINTS,
            color=INK,
        )
    _pack_axis(axes, packs)
    axes.margins(y=0.12)


def _pack_axis(axes: Axes, packs: Sequence[str]) -> None:
    label(axes, "x", [(at, f"pack {pack}") for at, pack in enumerate(packs)])
    axes.tick_params(axis="y", labelsize=LABEL_POINTS)
    axes.grid(axis="y", color=UNKNOWN, linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    plain(axes)
