"""The dashboard "BESS Batteries": charge, health and cells of battery systems, and meters."""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models import units

from deploy.grafana.common import (
    METER,
    SYSTEM,
    PanelBuilder,
    Query,
    board,
    graph,
    number,
    ranking,
    system_variables,
    worker_variables,
)
from stream_app.metrics.metric import Metric
from stream_app.metrics.of_batteries import (
    ALARMS,
    BATTERY_LAST_SAMPLE,
    CAPACITY,
    CELL_C_MAX,
    CELL_C_MEAN,
    CELL_C_MIN,
    CELL_V_MAX,
    CELL_V_MEAN,
    CELL_V_MIN,
    CELL_V_SPREAD,
    CELLS_WITHOUT_C,
    CELLS_WITHOUT_V,
    CRITICAL,
    EVALUABLE,
    IMBALANCE,
    SOC,
    SOH,
    UNKNOWN_SIGNALS,
    WORST_CELL,
    WORST_CELL_V,
)
from stream_app.metrics.of_meters import (
    METER_AGREES,
    METER_ENERGY,
    METER_EVALUABLE,
    METER_LAST_SAMPLE,
    METER_POWER,
)

STALE_S = 2700
_OF_SYSTEM, _OF_PACK, _OF_METER = "site, system", "site, system, pack", "site, meter"
_NAME, _PACK_NAME = "{{site}}/{{system}}", "{{site}}/{{system}} pack {{pack}}"
_METER_NAME = "{{site}}/{{meter}}"


def dashboard() -> Dashboard:
    """Build it."""
    rows = [
        ("Now", _now()),
        ("Charge and health", _health()),
        ("Cells", _cells()),
        ("Data", _data()),
        ("Meters", _meters()),
    ]
    about = "What battery systems, their cells and meters show, and what their data can support."
    result = board("BESS Batteries", "bess-batteries", about, rows)
    for variable in (*worker_variables(), *system_variables(BATTERY_LAST_SAMPLE)):
        result.with_variable(variable)
    return result


def _live(metric: Metric, by: str) -> str:
    """Values by place; for a moment after a rebalance two workers may have them."""
    return f"max by ({by}) ({metric.name}{{{SYSTEM}}})"


def _of_meters(metric: Metric, by: str = _OF_METER) -> str:
    """The same of meters."""
    return f"max by ({by}) ({metric.name}{{{METER}}})"


def _alarms(priorities: str) -> str:
    """Alarms by system and rule; there are series only of those that stand."""
    chosen = f'{ALARMS.name}{{{SYSTEM}, priority=~"{priorities}"}}'
    return f"max by (site, system, priority, rule) ({chosen})"


def _site_soc() -> str:
    """By capacity, of the systems of which charge and capacity are known."""
    soc, capacity = (_live(each, _OF_SYSTEM) for each in (SOC, CAPACITY))
    return f"sum by (site) ({soc} * {capacity}) / sum by (site) ({capacity} and {soc})"


def _age() -> str:
    return f"time() - {_live(BATTERY_LAST_SAMPLE, _OF_SYSTEM)}"


def _now() -> list[PanelBuilder]:
    return [
        number(
            "Battery systems",
            "Battery systems that have sent a row.",
            units.Short,
            Query(f"count({_live(BATTERY_LAST_SAMPLE, _OF_SYSTEM)})", "systems"),
        ),
        number(
            "Stale batteries",
            f"Battery systems without a row for more than {STALE_S} s by the wall clock. "
            "A replay of history counts as stale unless it shifts its times to now.",
            units.Short,
            Query(f"sum({_age()} > bool {STALE_S})", "stale"),
            [(None, "green"), (1, "red")],
        ),
        number(
            "Urgent alarms",
            "Alarms of priority critical or high that stand, of all chosen battery systems.",
            units.Short,
            Query(
                f"sum({_alarms('critical|high')}) "
                f"or 0 * count({_live(BATTERY_LAST_SAMPLE, _OF_SYSTEM)})",
                "alarms",
            ),
            [(None, "green"), (1, "red")],
        ),
        number(
            "Cells with a condition",
            "Cells of which a condition stands, in all chosen packs.",
            units.Short,
            Query(f"sum({_live(CRITICAL, _OF_PACK)})", "cells"),
            [(None, "green"), (1, "orange")],
        ),
        number(
            "Widest spread",
            "Highest less lowest cell voltage, of the pack where it is most.",
            units.Volt,
            Query(f"max({_live(CELL_V_SPREAD, _OF_PACK)})", "spread"),
        ),
        number(
            "Warmest cell of all",
            "Highest cell temperature of all chosen packs.",
            units.Celsius,
            Query(f"max({_live(CELL_C_MAX, _OF_PACK)})", "temperature"),
            [(None, "green"), (45, "orange"), (55, "red")],
        ),
    ]


def _meters() -> list[PanelBuilder]:
    reasons = _of_meters(METER_EVALUABLE, "site, meter, indicator, reason")
    return [
        graph(
            "Power of meters",
            "Newest power of each meter; + is export.",
            units.Watt,
            Query(_of_meters(METER_POWER), _METER_NAME),
        ),
        graph(
            "Energy of the newest day of meters",
            "Import and export of the newest local day that is over, by the power and by the "
            "counter of each meter.",
            units.WattHour,
            Query(
                f"{_of_meters(METER_ENERGY, 'site, meter, flow, source')} / 3600",
                _METER_NAME + " {{flow}} by {{source}}",
            ),
        ),
        ranking(
            "What days of meters cannot tell, and why",
            "Meters by each indicator that their newest day cannot tell.",
            units.Short,
            Query(
                f"sort_desc(count by (indicator, reason) ({reasons} == 0))",
                "{{indicator}}: {{reason}}",
                instant=True,
            ),
        ),
        ranking(
            "Longest silent meters",
            "Time since the newest row of the ten most silent meters, by the wall clock.",
            units.Seconds,
            Query(
                f"sort_desc(topk(10, time() - {_of_meters(METER_LAST_SAMPLE)}))",
                _METER_NAME,
                instant=True,
            ),
        ),
        number(
            "Meters that disagree",
            "Meters whose power and counter told different energy on their newest day.",
            units.Short,
            Query(
                f"sum(min by ({_OF_METER}) ({METER_AGREES.name}{{{METER}}}) == bool 0)", "meters"
            ),
            [(None, "green"), (1, "orange")],
        ),
    ]


def _health() -> list[PanelBuilder]:
    return [
        graph(
            "State of charge",
            "Newest state of charge of each battery system, as its BMS says.",
            units.PercentUnit,
            Query(_live(SOC, _OF_SYSTEM), _NAME),
        ),
        graph(
            "State of charge of a site",
            "That of its battery systems, weighed by their capacity; a system without a rated "
            "energy does not count.",
            units.PercentUnit,
            Query(_site_soc(), "{{site}}"),
        ),
        graph(
            "State of health",
            "Four numbers of different making, each where it can be told: by the BMS, by the "
            "charge ledger, by a rule of thumb, and as a model expects with age and use.",
            units.PercentUnit,
            Query(_live(SOH, "site, system, source"), _NAME + " {{source}}"),
        ),
        graph(
            "Imbalance at rest",
            "Mean spread of the cell voltages at rest on the newest day; no loss of capacity.",
            units.Volt,
            Query(_live(IMBALANCE, _OF_SYSTEM), _NAME),
        ),
        number(
            "Lowest health by the BMS",
            "State of health of the system where its BMS says least.",
            units.PercentUnit,
            Query(f'min({SOH.name}{{{SYSTEM}, source="bms"}})', "health"),
        ),
    ]


def _cells() -> list[PanelBuilder]:
    return [
        _of_cells("voltage", units.Volt, CELL_V_MIN, CELL_V_MEAN, CELL_V_MAX),
        graph(
            "Spread of cell voltages",
            "Highest less lowest cell voltage of each pack, in its newest row.",
            units.Volt,
            Query(_live(CELL_V_SPREAD, _OF_PACK), _PACK_NAME),
        ),
        _of_cells("temperature", units.Celsius, CELL_C_MIN, CELL_C_MEAN, CELL_C_MAX),
        graph(
            "Deviation of the worst cell",
            "Voltage of the cell furthest from the median of its pack, less that median.",
            units.Volt,
            Query(_live(WORST_CELL_V, _OF_PACK), _PACK_NAME),
        ),
        ranking(
            "Number of the worst cell",
            "Which cell it is, in the ten packs where it is furthest off.",
            units.Short,
            Query(f"{_live(WORST_CELL, _OF_PACK)} and {_FURTHEST}", _PACK_NAME, instant=True),
        ),
        ranking(
            "Alarms that stand",
            "Alarms of the chosen battery systems that stand, by rule; STALE_DATA and flags too.",
            units.Short,
            Query(
                f"sort_desc(sum by (priority, rule) ({_alarms('.+')}))",
                "{{rule}} ({{priority}})",
                instant=True,
            ),
        ),
        ranking(
            "Critical cells",
            "Cells of which a condition stands, in the ten packs that have most.",
            units.Short,
            Query(f"sort_desc(topk(10, {_live(CRITICAL, _OF_PACK)}))", _PACK_NAME, instant=True),
        ),
    ]


def _of_cells(what: str, unit: str, lowest: Metric, mean: Metric, highest: Metric) -> PanelBuilder:
    return graph(
        f"Cell {what}s",
        f"Lowest, mean and highest cell {what} of each pack, in its newest row.",
        unit,
        Query(_live(lowest, _OF_PACK), _PACK_NAME + " lowest"),
        Query(_live(mean, _OF_PACK), _PACK_NAME + " mean"),
        Query(_live(highest, _OF_PACK), _PACK_NAME + " highest"),
    )


def _data() -> list[PanelBuilder]:
    reasons = _live(EVALUABLE, "site, system, indicator, reason")
    return [
        ranking(
            "Longest silent batteries",
            "Time since the newest row of the ten most silent battery systems, by the wall clock.",
            units.Seconds,
            Query(f"sort_desc(topk(10, {_age()}))", _NAME, instant=True),
        ),
        ranking(
            "What cannot be told, and why",
            "Battery systems by each indicator that their newest data cannot support.",
            units.Short,
            Query(
                f"sort_desc(count by (indicator, reason) ({reasons} == 0))",
                "{{indicator}}: {{reason}}",
                instant=True,
            ),
        ),
        graph(
            "What the data can support",
            "Part of the indicators that the newest data of each battery system can support.",
            units.PercentUnit,
            Query(f"avg by (site, system) ({reasons})", _NAME),
        )
        .min(0)
        .max(1),
        graph(
            "Cells without a value",
            "Cells that have no voltage, or no temperature, in the newest row of their pack.",
            units.Short,
            Query(_live(CELLS_WITHOUT_V, _OF_PACK), _PACK_NAME + " voltage"),
            Query(_live(CELLS_WITHOUT_C, _OF_PACK), _PACK_NAME + " temperature"),
        ),
        number(
            "Unknown signals",
            "Names of signals that came and that neither have a meaning nor say how they are kept; "
            "`bess state show` lists them.",
            units.Short,
            Query(f"sum({_live(UNKNOWN_SIGNALS, _OF_SYSTEM)})", "signals"),
            [(None, "green"), (1, "orange")],
        ),
    ]


_FURTHEST = f"topk(10, abs({_live(WORST_CELL_V, _OF_PACK)}))"
