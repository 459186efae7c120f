"""A report as a person reads it in a terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from stream_app.core.energy import kwh
from stream_app.reports.alarms import AlarmCount
from stream_app.reports.summary import Summary
from stream_app.reports.totals import (
    BOTTOM,
    METRICS,
    EnclosureTotal,
    Metric,
    deviation_percent,
    median_w_ms,
    ranked,
)

NAMES_SHOWN = 12


@dataclass(frozen=True)
class Told:
    """What is shown besides the figures: alarms, enclosures without energy, files, and more."""

    alarms: Sequence[AlarmCount]
    missing: Sequence[str]
    files: Sequence[Path]
    remarks: Sequence[str] = ()
    figures: Mapping[str, str] = field(default_factory=dict)


def show(console: Console, summary: Summary, told: Told) -> None:
    """Print the figures, the weakest and strongest enclosures, alarms, warnings and files."""
    console.print(_figures(summary, told.figures))
    for metric in METRICS:
        console.print(_extremes(summary.enclosures, metric))
    console.print(_alarms(told.alarms))
    for warning in _warnings(summary, told):
        console.print(Text(f"warning: {warning}", style="yellow"))
    for path in told.files:
        console.print(Text(str(path)), soft_wrap=True)


def _figures(summary: Summary, more: Mapping[str, str]) -> RenderableType:
    days = f"{summary.first_day} to {summary.last_day}"
    grid = Table.grid(padding=(0, 2))
    rows = (
        ("site", summary.site),
        ("site-local days", days),
        ("enclosures", f"{len(summary.enclosures):,}"),
        ("charged", f"{kwh(summary.charged_w_ms):,.1f} kWh"),
        ("discharged", f"{kwh(summary.discharged_w_ms):,.1f} kWh"),
        ("mean coverage", f"{summary.coverage:.2%}"),
        ("provisional days", f"{summary.provisional_days}"),
        *_revised(summary),
        *more.items(),
    )
    for name, value in rows:
        grid.add_row(Text(name, style="dim"), Text(value))
    return grid


def _revised(summary: Summary) -> list[tuple[str, str]]:
    counts = [f"{count:,} by {reason}" for reason, count in summary.revised_days.items()]
    return [("revised days", ", ".join(counts))] if counts else []


def _extremes(each: Sequence[EnclosureTotal], metric: Metric) -> RenderableType:
    order, median = ranked(each, metric), median_w_ms(each, metric)
    table = Table(title=f"{metric} in all", title_justify="left", title_style="bold", box=None)
    for name in ("weakest", "kWh", "to median", "coverage", "", "strongest", "kWh", "to median"):
        table.add_column(name, justify="left" if name in ("weakest", "strongest") else "right")
    for low, high in zip(order[:BOTTOM], order[: -BOTTOM - 1 : -1], strict=True):
        cells = [low.enclosure, *_compared(low, metric, median), f"{low.coverage:.1%}", "  "]
        table.add_row(*map(Text, [*cells, high.enclosure, *_compared(high, metric, median)]))
    return Group(Text(), table)


def _compared(one: EnclosureTotal, metric: Metric, median: Fraction) -> tuple[str, str]:
    energy = one.energy_w_ms(metric)
    deviation = deviation_percent(energy, median)
    return f"{kwh(energy):,.1f}", "" if deviation is None else f"{deviation:+.1f} %"


def _alarms(alarms: Sequence[AlarmCount]) -> RenderableType:
    if not alarms:
        return Text("\nno alarms\n")
    table = Table(title="alarms", title_justify="left", title_style="bold", box=None)
    for name in ("rule", "raised", "standing", "enclosures", "first", "last"):
        table.add_column(name, justify="left" if name in ("rule", "first", "last") else "right")
    for each in alarms:
        counts = [f"{n:,}" for n in (each.raised, each.standing, len(each.enclosures))]
        table.add_row(each.rule, *counts, _minute(each.first), _minute(each.last))
    return Group(Text(), table, Text())


def _minute(time: str) -> str:
    return f"{time[:16].replace('T', ' ')}Z"


def _warnings(summary: Summary, told: Told) -> list[str]:
    found = list(told.remarks)
    if told.missing:
        shown = ", ".join(told.missing[:NAMES_SHOWN])
        rest = len(told.missing) - NAMES_SHOWN
        more = f" and {rest} more" if rest > 0 else ""
        found.append(f"no daily energy of {len(told.missing)} in the topology: {shown}{more}")
    if summary.coverage < 1:
        found.append("energy of unknown time is not guessed; read weak totals with their coverage")
    return found
