"""Pictures of the health of a battery system: equal records give equal bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from schemas.results_battery import HealthDayRecord
from stream_app.core.energy import Floats
from stream_app.core.health.soh import BANDS, DAYS_A_MONTH
from stream_app.reports.battery_data import SystemData
from stream_app.reports.drawing import (
    BLUE,
    GREEN,
    INK,
    LABEL_POINTS,
    ORANGE,
    PURPLE,
    QUIET,
    UNKNOWN,
    empty_figure,
    headline,
    label,
    plain,
    png,
    title,
)
from stream_app.reports.dwell import Dwell, dwell_bins
from stream_app.reports.health_display import HOUR_MS, TITLES, rate

SOURCES = (
    ("soh_bms_ratio", "BMS", BLUE, "-"),
    ("soh_ledger_ratio", "charge ledger", GREEN, "-"),
    ("soh_estimate_ratio", "rule of thumb", ORANGE, "-"),
    ("soh_expected_ratio", "expected: BLAST-Lite, LFP 250 Ah", PURPLE, "--"),
)
MOST_TICKS = 10


def health_pictures(
    data: SystemData, day: HealthDayRecord, dwells: Mapping[str, Dwell], expected: bool
) -> dict[str, bytes]:
    """Pictures by file name: state of health over the days, and dwell."""
    found = {f"{data.battery.system}_soh.png": png(lambda: _soh(data, day, expected))}
    if dwells:
        found[f"{data.battery.system}_dwell.png"] = png(lambda: _dwell(data, day, dwells))
    return found


@dataclass(frozen=True)
class Trend:
    """A rate of ageing with its 95 % interval, as lines through the middle of the days.

    Attributes
    ----------
    days
        (n,) days since the first one.
    line, low, high
        (n,) in %.
    """

    days: Floats
    line: Floats
    low: Floats
    high: Floats


def trend_lines(data: SystemData, day: HealthDayRecord, of: str) -> Trend | None:
    """The rate that a day tells of ``bms`` or ``ledger``; None where it cannot be told."""
    name = f"soh_{of}_ratio_per_month"
    days, values = series(data, f"soh_{of}_ratio")
    kept = ~np.isnan(values)
    if name not in day.values or not kept.any():
        return None
    middle = float(np.median(days[kept]))
    slopes = [
        day.values[each] * 100 / DAYS_A_MONTH for each in (name, f"{name}_low", f"{name}_high")
    ]
    level = float(np.median(values[kept] - slopes[0] * (days[kept] - middle)))
    line, low, high = (level + slope * (days - middle) for slope in slopes)
    return Trend(days, line, np.minimum(low, high), np.maximum(low, high))


def series(data: SystemData, name: str, per_unit: float = 100.0) -> tuple[Floats, Floats]:
    """Days since the first (n,), and an indicator, in % (n,); NaN where it cannot be told."""
    first = date.fromisoformat(data.days[0].date)
    days = [(date.fromisoformat(each.date) - first).days for each in data.days]
    values = [each.values.get(name, np.nan) for each in data.days]
    return np.array(days, dtype=np.float64), np.array(values, dtype=np.float64) * per_unit


def _soh(data: SystemData, day: HealthDayRecord, expected: bool) -> Figure:
    figure = empty_figure(12.0, 7.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for name, what, colour, style in SOURCES if expected else SOURCES[:-1]:
        _draw(upper, data, name, what, colour, style)
    _error(upper, data)
    for of, colour in (("bms", BLUE), ("ledger", GREEN)):
        _draw_trend(upper, data, day, of, colour)
    _bands(upper)
    title(upper, "state of health [%]: numbers of different making, not to be mixed")
    upper.legend(fontsize=LABEL_POINTS, frameon=False, loc="upper left", bbox_to_anchor=(1.13, 1.0))
    days, millivolts = series(data, "imbalance_v", 1000.0)
    lower.plot(days, millivolts, color=QUIET, marker=".", markersize=4, linewidth=1)
    lower.set_ylim(bottom=0)
    title(lower, "imbalance: mean spread of the cell voltages at rest [mV]")
    for axes in (upper, lower):
        axes.tick_params(axis="y", labelsize=LABEL_POINTS)
        axes.grid(axis="y", color=UNKNOWN, linewidth=0.6)
        axes.set_axisbelow(True)
        plain(axes)
    label(lower, "x", _ticks(data))
    headline(figure, f"{data.name}: state of health, {data.days[0].date} to {data.days[-1].date}")
    return figure


def _draw(axes: Axes, data: SystemData, name: str, what: str, colour: str, style: str) -> None:
    days, values = series(data, name)
    if np.isnan(values).all():
        why = data.days[-1].missing.get(name, "not known")
        axes.plot([], [], color=colour, linestyle=style, label=f"{what}: cannot be told ({why})")
        return
    axes.plot(
        days,
        values,
        color=colour,
        linestyle=style,
        linewidth=1.2,
        marker=".",
        markersize=4,
        label=what,
    )


def _error(axes: Axes, data: SystemData) -> None:
    """How far the ledger's number may be wrong."""
    days, values = series(data, "soh_ledger_ratio")
    _, error = series(data, "soh_ledger_error_ratio")
    if not np.isnan(values + error).all():
        axes.fill_between(
            days,
            values - error,
            values + error,
            color=GREEN,
            alpha=0.12,
            linewidth=0,
            label="charge ledger: error bound",
        )


def _draw_trend(axes: Axes, data: SystemData, day: HealthDayRecord, of: str, colour: str) -> None:
    found, (told, interval) = trend_lines(data, day, of), rate(day, of)
    what = {"bms": "BMS", "ledger": "charge ledger"}[of]
    if found is None:
        axes.plot([], [], " ", label=f"change a month, {what}: {told}")
        return
    axes.plot(
        found.days,
        found.line,
        color=colour,
        linestyle=":",
        linewidth=2.2,
        zorder=4,
        label=f"change a month, {what}: {told}",
    )
    axes.fill_between(
        found.days,
        found.low,
        found.high,
        color=colour,
        alpha=0.25,
        linewidth=0,
        label=f"  {interval}",
    )


def _bands(axes: Axes) -> None:
    """Where one band of health ends, as far as the picture reaches."""
    low, high = axes.get_ylim()
    for least, name in BANDS:
        if low <= least <= high:
            axes.axhline(least, color=QUIET, linewidth=0.7, zorder=0)
            axes.annotate(
                f"from {least:g}: {name}",
                (1, least),
                xycoords=("axes fraction", "data"),
                xytext=(3, 0),
                textcoords="offset points",
                va="bottom",
                fontsize=LABEL_POINTS - 1,
                color=INK,
                annotation_clip=False,
            )
    axes.set_ylim(low, high)


def _ticks(data: SystemData) -> list[tuple[float, str]]:
    days, _ = series(data, "soc_ratio")
    step = -(-len(data.days) // MOST_TICKS)
    return [(float(days[at]), each.date) for at, each in enumerate(data.days)][::step]


def _dwell(data: SystemData, day: HealthDayRecord, dwells: Mapping[str, Dwell]) -> Figure:
    figure = empty_figure(12.0, 0.9 + 3.0 * -(-len(dwells) // 2))
    grid = figure.subplots(-(-len(dwells) // 2), min(2, len(dwells)))
    parts = np.atleast_1d(grid).ravel()
    for axes, (name, each) in zip(parts, dwells.items(), strict=False):
        _draw_dwell(axes, each.times, dwell_bins(name))
        title(axes, f"time at {TITLES[name]} [h]; {each.days} of the days know it")
    for axes in parts[len(dwells) :]:
        axes.set_axis_off()
    first = min(each.first for each in dwells.values())
    span = day.date if first == day.date else f"{first} to {day.date}"
    headline(figure, f"{data.name}: dwell, {span}, for the terms of a warranty")
    return figure


def _draw_dwell(axes: Axes, times: Sequence[int], bins: Sequence[str]) -> None:
    used = np.flatnonzero(times)
    shown = range(max(int(used[0]) - 1, 0), min(int(used[-1]) + 2, len(times)))
    hours = [times[at] / HOUR_MS for at in shown]
    axes.bar(shown, hours, width=0.9, color=BLUE, linewidth=0, zorder=2)
    step = 2 if len(shown) > 12 else 1
    label(axes, "x", [(float(at), bins[at]) for at in shown[::step]])
    axes.tick_params(axis="x", rotation=30)
    axes.set_xlim(shown[0] - 0.6, shown[-1] + 0.6)
    axes.tick_params(axis="y", labelsize=LABEL_POINTS)
    axes.grid(axis="y", color=UNKNOWN, linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    plain(axes)
