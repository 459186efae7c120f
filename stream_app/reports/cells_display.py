"""The cells of a battery system as a person reads them in a terminal."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.results_battery import CellWindowsRecord, CriticalCellRecord
from stream_app.core.cells.alarms import PER_UNIT
from stream_app.core.cells.influence import neighbour_influence
from stream_app.core.cells.limits import Threshold, limits_of
from stream_app.core.cells.statistics import robust_z
from stream_app.core.energy import Floats
from stream_app.core.health.extremes import OF_INDICATOR, evaluable_limits
from stream_app.reports.battery_data import SystemData, cells

DAY = "1d"
GOOD = "evaluable"
NARROW = 116
"""Columns of a terminal below which wide tables are told in two parts."""
Z_STEP_V = 0.001
"""Step of a voltage sensor: the least spread that a robust z is told by."""


def show_cells(console: Console, data: SystemData, level: str, every: bool) -> None:
    """Print the packs, the critical cells and what the data can support.

    Parameters
    ----------
    level
        Length of the windows.
    every
        Whether each cell has a line too.
    """
    newest, narrow = data.newest(level), console.width < NARROW
    console.print(Text(_title(data, level, list(newest.values())), style="bold"))
    console.print(_packs(data, newest, narrow))
    for line in without_values(newest):
        console.print(Text(line, style="dim"))
    console.print(_charges(data))
    if every:
        for pack, record in newest.items():
            influence = influences(data, level, pack)
            console.print(_cells(record, influence, standing(data, pack), narrow))
    console.print(_critical(data, narrow))
    console.print(_evaluable(data, level))


def show_limits(console: Console, data: SystemData) -> None:
    """Print which limits of cells watch a system that has no packs of cells, and by what."""
    reasons: Mapping[str, str] = data.limits or evaluable_limits(data.battery, ())
    limits = limits_of(data.battery)
    given: dict[str, Threshold] = {each.rule: each for each in limits.thresholds} if limits else {}
    console.print(Text(f"{data.name} has no packs of cells: what it tells is judged", style="bold"))
    columns = "limit", "judged by", "warning", "alarm", "newest day"
    table = plain_table("", *columns, left=("limit", "judged by", "newest day"))
    for name, signal in OF_INDICATOR.items():
        rules = (given.get(f"{name.upper()}_{kind}") for kind in ("WARNING", "ALARM"))
        numbers = (
            "-" if each is None else f"{each.limit / PER_UNIT[each.unit]:g} {each.unit}"
            for each in rules
        )
        why = "not known yet" if data.limits is None and signal else reasons[name]
        table.add_row(*map(Text, [name, signal or "no signal", *numbers, why]))
    console.print(table)
    if limits is None and GOOD in reasons.values():
        console.print(Text("the limits themselves are in no archive", style="dim"))
    others = ", ".join(each for each, why in reasons.items() if why == "no_cells")
    console.print(Text(f"\nno_cells: {others}; see `bess health {data.name}`", style="dim"))


def local(ms: int, zone: str) -> str:
    """An instant [ms UTC] by the clocks of the site."""
    return f"{datetime.fromtimestamp(ms / 1000, tz=UTC).astimezone(ZoneInfo(zone)):%F %H:%M}"


def worst(record: CellWindowsRecord, name: str) -> tuple[int, float] | None:
    """Number and value of the cell whose mean deviation is the largest; None: no cell has one."""
    values = cells(record, name)
    if np.isnan(values).all():
        return None
    place = int(np.nanargmax(np.abs(values)))
    return place + 1, float(values[place])


def warmest(record: CellWindowsRecord) -> tuple[int, float] | None:
    """Number of the cell furthest above its pack's median temperature, and by how much."""
    values = cells(record, "temperature_deviation_c")
    if np.isnan(values).all():
        return None
    place = int(np.nanargmax(values))
    return place + 1, float(values[place])


def without_values(newest: Mapping[str, CellWindowsRecord]) -> Iterator[str]:
    """Cells of each pack that had no voltage or no temperature: nothing is told of them."""
    for pack, record in newest.items():
        for signal in ("voltage", "temperature"):
            counts = getattr(record, f"{signal}_samples")[0]
            none = [f"{at}" for at, count in enumerate(counts, 1) if not count]
            if none:
                named = "any cell" if len(none) == len(counts) else f"cells {', '.join(none)}"
                yield f"pack {pack} has no {signal} of {named}"


def standing(data: SystemData, pack: str) -> dict[int, list[CriticalCellRecord]]:
    """Critical cells of a pack of which a condition stands, with what they are."""
    table = data.critical.get(pack)
    found: dict[int, list[CriticalCellRecord]] = {}
    for each in table.cells if table else ():
        if each.until is None:
            found.setdefault(each.cell, []).append(each)
    return found


def plain_table(title: str, *columns: str, left: Sequence[str] = ()) -> Table:
    """A table of the house; columns are set right but for those in ``left``."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="left" if name in left else "right", overflow="fold")
    return table


def number(value: float | None, form: str = ".3f", per_unit: float = 1.0) -> str:
    """A value for a person; a dash where there is none."""
    known = value is not None and value == value  # noqa: PLR0124
    return format(value * per_unit, form) if known else "-"  # type: ignore[operator]


def _title(data: SystemData, level: str, records: Sequence[CellWindowsRecord]) -> str:
    zone = data.battery.zone
    start = max(each.start[0] for each in records)
    end = max(each.end[0] for each in records)
    open_ = "" if all(each.final for each in records) else ", not over"
    return f"{data.name}  {level} from {local(start, zone)} to {local(end, zone)} {zone}{open_}"


def _packs(data: SystemData, newest: dict[str, CellWindowsRecord], narrow: bool) -> Group:
    columns = (
        *("pack", "rows", "V min", "mean", "max", "spread mV", "worst cell", "mV"),
        *("degC mean", "max", "spread K", "warmest cell", "K", "critical cells"),
    )
    tables = _parts("", columns, ("pack", "critical cells"), [8] if narrow else [])
    for pack, record in newest.items():
        critical = standing(data, pack)
        named = ", ".join(f"{cell}" for cell in sorted(critical)) or "-"
        _add(tables, [pack, f"{record.rows[0]:,}", *_pack(record), named])
    return Group(*tables)


def _parts(
    title: str, columns: Sequence[str], left: Sequence[str], breaks: Sequence[int]
) -> list[Table]:
    """A table, told in parts that begin at ``breaks``; each has the first column."""
    places = [1, *breaks, len(columns)]
    return [
        plain_table(title, columns[0], *columns[first:last], left=left)
        for first, last in pairwise(places)
    ]


def _add(tables: Sequence[Table], row: Sequence[str], style: str | None = None) -> None:
    """A row to all parts of a table."""
    at = 1
    for table in tables:
        own = len(table.columns) - 1
        table.add_row(*map(Text, [row[0], *row[at : at + own]]), style=style)
        at += own


def _pack(record: CellWindowsRecord) -> Iterator[str]:
    for name, how in (("min", np.nanmin), ("mean", np.nanmean), ("max", np.nanmax)):
        yield number(_over(how, cells(record, f"voltage_{name}_v")))
    yield number(record.voltage_spread_v[0], ".1f", 1000)
    yield from _worst(worst(record, "voltage_deviation_v"), "+.1f", 1000)
    for name, how in (("mean", np.nanmean), ("max", np.nanmax)):
        yield number(_over(how, cells(record, f"temperature_{name}_c")), ".1f")
    yield number(record.temperature_spread_c[0], ".1f")
    yield from _worst(warmest(record), "+.1f", 1)


def of_pack(record: CellWindowsRecord, name: str) -> float | None:
    """Charge, health or imbalance of a pack on a day; None where it cannot be told."""
    column: list[float | None] | None = getattr(record, name)
    return column[0] if column else None


def _charges(data: SystemData) -> RenderableType:
    """A line for each pack of which a day is known that tells of them."""
    days = {pack: each for pack, each in data.newest(DAY).items() if each.imbalance_v is not None}
    if not days:
        return Text()
    table = plain_table(
        "charge and health by the ledger of each pack, at the end of its newest day",
        *("pack", "SOC", "error", "SOH", "error", "imbalance at rest"),
        left=("pack",),
    )
    for pack, record in days.items():
        table.add_row(*map(Text, [pack, *_charge(record)]))
    return Group(Text(), table)


def _charge(record: CellWindowsRecord) -> Iterator[str]:
    why = record.missing[0] if record.missing else {}
    for name, form, per_unit, unit in (
        ("soc_ledger_ratio", ".1f", 100, " %"),
        ("soc_ledger_error_ratio", ".1f", 100, " %"),
        ("soh_ledger_ratio", ".1f", 100, " %"),
        ("soh_ledger_error_ratio", ".1f", 100, " %"),
        ("imbalance_v", ".1f", 1000, " mV"),
    ):
        value = of_pack(record, name)
        known = f"{number(value, form, per_unit)}{unit}{_left_out(record, name)}"
        yield f"({why.get(name, 'not known')})" if value is None else known


def _left_out(record: CellWindowsRecord, name: str) -> str:
    """How many cells are stuck and so are not in the imbalance."""
    count = of_pack(record, "imbalance_left_out") if name == "imbalance_v" else None
    return f" ({count:.0f} stuck left out)" if count else ""


def _worst(found: tuple[int, float] | None, form: str, per_unit: float) -> tuple[str, str]:
    return ("-", "-") if found is None else (f"{found[0]}", number(found[1], form, per_unit))


def _over(how: "np.ufunc | object", values: Floats) -> float | None:
    return None if np.isnan(values).all() else float(how(values))  # type: ignore[operator]


def influences(data: SystemData, level: str, pack: str) -> Floats:
    """How much each cell's temperature goes with its neighbours' over all windows (cells,).

    See :func:`stream_app.core.cells.influence.neighbour_influence`; NaN with too few windows.
    """
    name = "temperature_deviation_c"
    return neighbour_influence(np.stack([cells(each, name) for each in data.of(level, pack)]))


def _cells(
    record: CellWindowsRecord,
    influence: Floats,
    critical: dict[int, list[CriticalCellRecord]],
    narrow: bool,
) -> RenderableType:
    columns = (
        *("cell", "V min", "mean", "max", "off mV", "robust z"),
        *("degC mean", "max", "off K", "K/s", "neighbours", "critical"),
    )
    tables = _parts(f"pack {record.pack}", columns, ("critical",), [6] if narrow else [])
    names = ("voltage_min_v", "voltage_mean_v", "voltage_max_v", "voltage_deviation_v")
    volts = [cells(record, name) for name in names]
    scores = robust_z(volts[3][None], Z_STEP_V)[0]
    warmth = [
        cells(record, f"temperature_{name}")
        for name in ("mean_c", "max_c", "deviation_c", "rise_c_per_s")
    ]
    for at in range(scores.size):
        of_volts = [number(each[at]) for each in volts[:3]]
        off = [number(volts[3][at], "+.1f", 1000), number(scores[at], "+.1f")]
        of_warmth = [number(warmth[0][at], ".1f"), number(warmth[1][at], ".1f")]
        rise = [number(warmth[2][at], "+.1f"), number(warmth[3][at], "+.3f")]
        rise += [number(influence[at], "+.2f")]
        rules = ", ".join(each.rule for each in critical.get(at + 1, ()))
        row = [f"{at + 1}", *of_volts, *off, *of_warmth, *rise, rules]
        _add(tables, row, "bold red" if rules else None)
    return Group(*(part for table in tables for part in (Text(), table)))


def _critical(data: SystemData, narrow: bool) -> RenderableType:
    """The newest tables, which are made as days end, and of which days they are."""
    table = plain_table(
        f"critical cells {_of_days(data)}",
        *("rank", "pack", "cell", "what", "worst", "limit", ""),
        *(("days",) if narrow else ("since", "until", "days")),
        left=("pack", "what", "", "since", "until"),
    )
    for pack in data.packs:
        for each in data.critical[pack].cells if pack in data.critical else ():
            span = [_instant(each.since, data), _instant(each.until, data)]
            numbers = [number(each.worst, ".4g"), number(each.limit, ".4g"), each.unit]
            named = f"{each.rule}\n {span[0]}, stands" if narrow else each.rule
            if narrow and each.until is not None:
                named = f"{each.rule}\n {span[0]} to\n {span[1]}"
            row = [f"{each.rank}", pack, f"{each.cell}", named, *numbers]
            row += [f"{each.days}"] if narrow else [*span, f"{each.days}"]
            table.add_row(*map(Text, row), style="bold" if each.until is None else "dim")
    if not table.row_count:
        return Text("\nno critical cells\n")
    return Group(Text(), table, Text(_what_is_newer(data), style="dim"))


def _of_days(data: SystemData) -> str:
    """At the end of which local day; packs that are of another day than the newest are named."""
    days = {pack: data.critical[pack].date for pack in data.packs if pack in data.critical}
    newest = max(days.values(), default="")
    older = [f"of pack {pack} {day}" for pack, day in days.items() if day != newest]
    return ", ".join([f"at the end of {newest}", *older])


def _what_is_newer(data: SystemData) -> str:
    """Where it is told what began or ended after the tables, if time has gone on since."""
    tables = [each for pack, each in data.critical.items() if pack in data.packs]
    if max(each.end[0] for each in data.windows) <= min(_ms(each.end) for each in tables):
        return ""
    key = f"{data.battery.site}/battery/{data.battery.system}"
    return (
        "the table is made when a day ends. What began or ended since: topic alarm.events or "
        f"battery_alarms.csv; what stands now: `bess state show {key}`\n"
    )


def _instant(time: str | None, data: SystemData) -> str:
    if time is None:
        return "stands"
    return local(_ms(time), data.battery.zone)


def _ms(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1000)


def _evaluable(data: SystemData, level: str) -> RenderableType:
    """Of how many five-minute windows of all packs each indicator can be told, and why not.

    Windows that are not judged yet, or longer than five minutes and shorter than a day, do not
    say; then those of a day do.
    """
    for each in dict.fromkeys((level, "1d", "5min")):
        counts = evaluable_windows(data.newest(each).values())
        if counts:
            return _evaluable_table(each, counts)
    about = "what the data can support: see Redis or `bess process`, windows of 5min or 1d"
    return Text(about, style="dim")


def evaluable_windows(records: Iterable[CellWindowsRecord]) -> dict[str, Counter[str]]:
    """Five-minute windows of all records by indicator and reason."""
    counts: dict[str, Counter[str]] = {}
    for record in records:
        for name, reasons in record.evaluability[0].items() if record.evaluability else ():
            counts.setdefault(name, Counter()).update(reasons)
    return counts


def _evaluable_table(level: str, counts: dict[str, Counter[str]]) -> RenderableType:
    why = f"else, in so many windows of 5 min ({level})"
    columns = ("indicator", "evaluable", why)
    table = plain_table("what the data can support", *columns, left=("indicator", why))
    for name, reasons in counts.items():
        good, total = reasons[GOOD], reasons.total()
        rest = [f"{each} {count:,}" for each, count in sorted(reasons.items()) if each != GOOD]
        table.add_row(*map(Text, [name, f"{good / total:.0%}", ", ".join(rest)]))
    return table
