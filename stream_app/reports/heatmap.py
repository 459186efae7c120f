"""The picture ``discharged_heatmap.png``: equal records give equal bytes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from schemas.results import DailyRecord
from stream_app.reports.drawing import (
    COLOUR_MAP,
    INK,
    LABEL_POINTS,
    QUIET,
    WEAK,
    empty_figure,
    label,
    plain,
    png,
    unknown_area,
)
from stream_app.reports.grid import Grid, day_ticks, enclosure_ticks, grid
from stream_app.reports.totals import (
    BOTTOM,
    EnclosureTotal,
    deviation_percent,
    median_w_ms,
    ranked,
    totals,
)

LOW_COVERAGE, PALE = 0.95, 0.4


def heatmap_png(days: Sequence[DailyRecord]) -> bytes:
    """Discharged energy of every enclosure and day, beside each enclosure's total.

    Dark is little, light is much, hatched is unknown. The strip on the right shows how far each
    total lies from the median, with the lowest five in red.

    Parameters
    ----------
    days
        Newest revisions of one site.

    Raises
    ------
    ValueError
        There is no record.
    """
    each = grid(days)
    return png(lambda: _figure(each, days[0].site, totals(days)))


def _figure(each: Grid, site: str, sums: Sequence[EnclosureTotal]) -> Figure:
    width, height = _inches(*each.discharged_kwh.shape)
    figure = empty_figure(width, height)
    strip = 1.3 / width
    axes = figure.subplots(1, 2, sharey=True, width_ratios=(1 - strip, strip))
    image = _draw_days(axes[0], each, int((height - 1.6) * 72 / (LABEL_POINTS * 1.25)))
    bar = figure.colorbar(image, ax=axes[1], pad=0.12, aspect=30, shrink=min(1.0, 6.0 / height))
    bar.set_label("discharged energy of a day [kWh]", color=INK, fontsize=LABEL_POINTS + 1)
    bar.ax.tick_params(labelsize=LABEL_POINTS, length=2, color=QUIET, labelcolor=INK)
    bar.outline.set_visible(False)
    _draw_totals(axes[1], sums)
    _say(figure, axes[0], each, site)
    return figure


def _inches(rows: int, columns: int) -> tuple[float, float]:
    """Size of the picture: cells as large as fits between a slide and a wall chart."""
    width = min(max(4.8 + 0.36 * columns, 9.5), 15.0)
    height = min(max(1.9 + 0.2 * rows, 3.6), 15.0)
    return width, height


def _draw_days(axes: Axes, each: Grid, labels: int) -> AxesImage:
    rows, columns = each.discharged_kwh.shape
    values = np.ma.masked_invalid(each.discharged_kwh)
    top = float(values.max()) if values.count() else 0.0
    axes.add_patch(unknown_area(rows, columns))
    image = axes.imshow(
        values,
        cmap=COLOUR_MAP,
        vmin=0.0,
        vmax=top or 1.0,
        aspect="auto",
        interpolation="nearest",
        zorder=1,
    )
    label(axes, "x", day_ticks(each.days))
    label(axes, "y", enclosure_ticks(each, labels))
    plain(axes)
    return image


def _draw_totals(axes: Axes, sums: Sequence[EnclosureTotal]) -> None:
    median = median_w_ms(sums, "discharged")
    away = [deviation_percent(one.discharged_w_ms, median) or 0.0 for one in sums]
    rows = range(len(sums))
    axes.barh(rows, away, height=0.8 if len(sums) < 100 else 1.0, color=_colours(sums), linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.6)
    limit = max(1.0, *map(abs, away))
    axes.set_xlim(-1.1 * limit, 1.1 * limit)
    text = f"total against the\nmedian [%]; lowest\nfive red; pale:\ncoverage < {LOW_COVERAGE:.0%}"
    axes.set_xlabel(text, fontsize=LABEL_POINTS, color=INK)
    axes.tick_params(axis="x", labelsize=LABEL_POINTS)
    axes.tick_params(axis="y", labelleft=False, left=False)
    plain(axes)


def _colours(sums: Sequence[EnclosureTotal]) -> list[tuple[str, float]]:
    """Red for the lowest five of many; pale where missing data may be the cause."""
    lowest = ranked(sums, "discharged")[:BOTTOM] if len(sums) > 2 * BOTTOM else []
    weak = {one.enclosure for one in lowest}
    return [
        (
            WEAK if one.enclosure in weak else QUIET,
            1.0 if one.coverage >= LOW_COVERAGE else PALE,
        )
        for one in sums
    ]


def _say(figure: Figure, axes: Axes, each: Grid, site: str) -> None:
    first, last = each.days[0].isoformat(), each.days[-1].isoformat()
    span = first if first == last else f"{first} to {last}"
    figure.suptitle(
        f"{site}: energy discharged by enclosure and day, {span}",
        x=0.01,
        ha="left",
        fontsize=12,
        color=INK,
        parse_math=False,
    )
    axes.set_title(_known(each), loc="left", fontsize=LABEL_POINTS + 1, color=INK)


def _known(each: Grid) -> str:
    unknown = int((each.coverage == 0).sum())
    partly = int(((each.coverage > 0) & (each.coverage < 1)).sum())
    size = f"{len(each.enclosures)} enclosures x {len(each.days)} site-local days"
    return f"{size}: {unknown} enclosure days unknown (hatched), {partly} known in part"
