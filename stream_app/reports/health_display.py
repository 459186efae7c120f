"""The health of a battery system as a person reads it in a terminal."""

from collections.abc import Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.results_battery import HealthDayRecord
from stream_app.reports.battery_data import SystemData
from stream_app.reports.cells_display import number, plain_table
from stream_app.reports.dwell import Dwell, dwell_bins

BAR = 30
HOUR_S, HOUR_MS = 3600.0, 3_600_000


def show_health(
    console: Console,
    data: SystemData,
    day: HealthDayRecord,
    dwells: Mapping[str, Dwell],
    expected: bool,
) -> None:
    """Print a day: charge, health, cycles, energy, dwell, and why the rest cannot be told.

    Parameters
    ----------
    dwells
        Over the days up to it.
    expected
        Whether the ageing that a model expects is told beside.
    """
    over = "" if day.final else ", not over"
    about = f"{data.name}  local day {day.date} {data.battery.zone}{over}, {day.rows:,} rows"
    console.print(Text(about, style="bold"))
    held = [_dwell(name, each, day) for name, each in dwells.items()]
    for part in (_charge(day), _soh(day, expected), _cycles(day), _energy(day), *held):
        console.print(Text())
        console.print(part)


def told(day: HealthDayRecord, name: str, form: str, per_unit: float = 1.0, unit: str = "") -> str:
    """An indicator for a person, or why it cannot be told."""
    if name in day.values:
        return f"{number(day.values[name], form, per_unit)}{unit}"
    return f"({day.missing.get(name, 'not known')})"


def _percent(day: HealthDayRecord, name: str, form: str = ".1f") -> str:
    return told(day, name, form, 100, " %")


def _lines(title: str, rows: Sequence[tuple[str, str, str]]) -> RenderableType:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column(min_width=22)
    table.add_column(justify="right", min_width=16)
    table.add_column()
    table.show_header = False
    for row in rows:
        missing = row[1].startswith("(")
        table.add_row(*map(Text, row), style="dim" if missing else None)
    return table


def _charge(day: HealthDayRecord) -> RenderableType:
    bound = ""
    if "soc_drift_bound_ratio" in day.values:
        age = told(day, "anchor_age_s", ".1f", 1 / HOUR_S, " h")
        drift = _percent(day, "soc_drift_ratio", "+.1f")
        most = _percent(day, "soc_drift_bound_ratio")
        bound = f"BMS less ledger {drift}, explained up to {most}; {age} since the anchor"
    return _lines(
        "state of charge",
        [
            ("BMS", _percent(day, "soc_ratio"), ""),
            ("charge ledger", _percent(day, "soc_ledger_ratio"), bound),
            ("current known", _percent(day, "current_coverage_ratio"), "of the day"),
        ],
    )


def _soh(day: HealthDayRecord, expected: bool) -> RenderableType:
    ledger = ""
    if "soh_ledger_error_ratio" in day.values:
        error = _percent(day, "soh_ledger_error_ratio")
        ledger = f"error up to {error}; capacity {told(day, 'capacity_ah', '.1f')} Ah"
    rows = [
        ("BMS", _percent(day, "soh_bms_ratio", ".2f"), ""),
        ("  change a month", *rate(day, "bms")),
        ("charge ledger", _percent(day, "soh_ledger_ratio", ".2f"), ledger),
        ("  change a month", *rate(day, "ledger")),
        (
            "rule of thumb",
            _percent(day, "soh_estimate_ratio", ".2f"),
            f"band {day.band}; age, cycles and imbalance" if day.band else "",
        ),
        (
            "imbalance at rest",
            told(day, "imbalance_v", ".1f", 1000, " mV"),
            "no loss of capacity" if "imbalance_v" in day.values else "",
        ),
    ]
    if expected:
        note = "expected with its age and use: NREL BLAST-Lite, LFP 250 Ah"
        rows.append(("model", _percent(day, "soh_expected_ratio", ".2f"), note))
    return _lines("state of health", rows)


def rate(day: HealthDayRecord, of: str) -> tuple[str, str]:
    """Change a month of a state of health, and the interval that holds it; or why not."""
    name = f"soh_{of}_ratio_per_month"
    if name not in day.values:
        return told(day, name, ""), ""
    low, high = (day.values[f"{name}_{each}"] * 100 for each in ("low", "high"))
    return _percent(day, name, "+.2f"), f"95 % confidence: {low:+.2f} to {high:+.2f} %"


def _cycles(day: HealthDayRecord) -> RenderableType:
    peaks = told(day, "c_rate_discharge_max", ".2f"), told(day, "c_rate_charge_max", ".2f")
    return _lines(
        "cycles",
        [
            ("full cycles", told(day, "efc", ".2f"), "equivalent, since the start"),
            ("of the day", told(day, "efc_day", ".2f"), ""),
            (
                "closed",
                told(day, "cycles_closed", ".0f"),
                (
                    f"mean depth {_percent(day, 'cycle_depth_ratio')}, "
                    f"around {_percent(day, 'cycle_soc_ratio')}"
                ),
            ),
            ("C-rate of a quarter", f"{peaks[0]} out", f"{peaks[1]} in, at most"),
            ("charge", told(day, "discharged_ah", ",.1f", 1, " Ah out"), _into(day)),
        ],
    )


def _into(day: HealthDayRecord) -> str:
    return told(day, "charged_ah", ",.1f", 1, " Ah in")


def _energy(day: HealthDayRecord) -> RenderableType:
    table = plain_table(
        "energy and round trip efficiency",
        *("", "kWh out", "kWh in", "naive", "corrected", "30 d naive", "30 d corrected"),
        left=("",),
    )
    for side in ("dc", "ac"):
        energy = [told(day, f"{side}_{each}_kwh", ",.1f") for each in ("discharged", "charged")]
        rates = [_percent(day, f"rte_{side}_{each}ratio") for each in ("", "corrected_")]
        month = [_of_days(day, f"rte_{side}_{each}30d") for each in ("", "corrected_")]
        table.add_row(*map(Text, [side.upper(), *energy, *rates, *month]))
    note = Text("corrected: counts what stayed in the battery", style="dim")
    return Group(table, note)


def _of_days(day: HealthDayRecord, name: str) -> str:
    """An efficiency of several days, and of how many."""
    days = day.values.get(f"{name}_days")
    of = "" if days is None else f" of {days:.0f} d"
    return _percent(day, f"{name}_ratio") + of


def _dwell(name: str, dwell: Dwell, day: HealthDayRecord) -> RenderableType:
    """Time in each bin over the days, and on the one that is shown."""
    several = dwell.days > 1
    over = f": {dwell.days} days, {dwell.first} to {dwell.last}" if several else ""
    own = [f"h on {day.date}"] if several else []
    columns = ["", "h", "share", *own]
    heading = Text(f"time at {TITLES[name]}{over}", style="bold")
    table = plain_table("", *columns, left=("", "share"))
    total, of_day = sum(dwell.times), day.dwell.get(name, [0] * len(dwell.times))
    used = [at for at, each in enumerate(dwell.times) if each]
    bins = dwell_bins(name)
    for at in range(used[0], used[-1] + 1):
        share = dwell.times[at] / total
        row = [bins[at], _hours(dwell.times[at]), f"{share:4.0%} {'#' * round(share * BAR)}"]
        table.add_row(*map(Text, [*row, *([_hours(of_day[at])] if several else [])]))
    return Group(heading, table)


def _hours(time: int) -> str:
    return f"{time / HOUR_MS:.2f}"


TITLES = {
    "soc_ratio": "each state of charge",
    "cell_max_c": "each temperature of the warmest cell",
    "cell_mean_c": "each mean temperature of the cells",
    "cell_spread_v": "each spread of cell voltages at rest",
}
