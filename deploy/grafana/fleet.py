"""The dashboard "BESS Fleet": power, energy and coverage of the enclosures."""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models import units

from deploy.grafana.common import (
    BLOCK,
    PanelBuilder,
    Query,
    bands,
    block_variables,
    board,
    graph,
    number,
    ranking,
    stacked,
    worker_variables,
)
from stream_app.core.topology import Rules
from stream_app.metrics.catalogue import (
    ACTIVE_INPUTS,
    CHARGED,
    COVERAGE,
    DC_POWER,
    DISCHARGED,
    LAST_SAMPLE,
)
from stream_app.metrics.metric import Metric

STALE_S = Rules().stale_ms // 1000
IDLE_W = 1000
J_PER_KWH = 3_600_000


def dashboard() -> Dashboard:
    """Build it."""
    rows = [
        ("Now", _now()),
        ("Power", _power()),
        ("Energy", _energy()),
        ("Data", _data()),
    ]
    about = "What the batteries do: DC power (+ is discharge), energy, and how much of it is known."
    result = board("BESS Fleet", "bess-fleet", about, rows)
    for variable in (*worker_variables(), *block_variables(LAST_SAMPLE)):
        result.with_variable(variable)
    return result


def _live(metric: Metric, by: str) -> str:
    """Values by place; for a moment after a rebalance two workers may have them."""
    return f"max by ({by}) ({metric.name}{{{BLOCK}}})"


def _fleet(metric: Metric) -> str:
    return _live(metric, "site, block, enclosure")


def _energy_kwh(metric: Metric, window: str) -> str:
    grown = f"increase({metric.name}{{{BLOCK}}}[{window}])"
    return f"sum({grown}) / {J_PER_KWH}"


def _age() -> str:
    return f"time() - {_live(LAST_SAMPLE, 'site, block')}"


def _now() -> list[PanelBuilder]:
    return [
        number(
            "Fleet power",
            "Sum of the newest DC power of all chosen enclosures; + is discharge.",
            units.Watt,
            Query(f"sum({_fleet(DC_POWER)})", "power"),
        ),
        number(
            "Discharged in 24 h",
            "DC energy discharged in the 24 hours before the end of the shown range.",
            units.KiloWattHour,
            Query(_energy_kwh(DISCHARGED, "24h"), "discharged", instant=True),
        ),
        number(
            "Charged in 24 h",
            "DC energy charged in the 24 hours before the end of the shown range.",
            units.KiloWattHour,
            Query(_energy_kwh(CHARGED, "24h"), "charged", instant=True),
        ),
        number(
            "Lowest coverage today",
            "Of the local day so far, the known part at the enclosure that has least.",
            units.PercentUnit,
            Query(f"min({_fleet(COVERAGE)})", "coverage"),
            [(None, "red"), (0.9, "orange"), (0.99, "green")],
        ),
        number(
            "Stale blocks",
            f"Power blocks without a sample for more than {STALE_S} s by the wall clock. "
            "A replay of history counts as stale unless it shifts its times to now.",
            units.Short,
            Query(f"sum({_age()} > bool {STALE_S})", "stale"),
            [(None, "green"), (1, "red")],
        ),
        number(
            "Enclosures",
            "Enclosures that have a power value.",
            units.Short,
            Query(f"count({_fleet(DC_POWER)})", "enclosures"),
        ),
    ]


def _power() -> list[PanelBuilder]:
    by_site = f"sum by (site) ({_fleet(DC_POWER)})"
    discharging = f"sum({_fleet(DC_POWER)} > 0) or vector(0)"
    charging = f"sum({_fleet(DC_POWER)} < 0) or vector(0)"
    return [
        graph(
            "Power by site",
            "Sum of the newest DC power of the enclosures of each site; + is discharge.",
            units.Watt,
            Query(by_site, "{{site}}"),
        ),
        graph(
            "Discharging and charging",
            "Power of the enclosures that discharge (above zero) and of those that charge (below).",
            units.Watt,
            Query(discharging, "discharging"),
            Query(charging, "charging"),
        ),
        bands(
            "State of each power block",
            f"Orange: discharges with more than {IDLE_W} W; blue: charges with more; grey: idle.",
            units.Watt,
            Query(f"sum by (site, block) ({_fleet(DC_POWER)})", "{{site}}/{{block}}"),
            [(None, "blue"), (-IDLE_W, "#808080"), (IDLE_W, "orange")],
        ),
    ]


def _energy() -> list[PanelBuilder]:
    total = f"max by (site, block, enclosure) ({DISCHARGED.name}{{{BLOCK}}}) / {J_PER_KWH}"
    return [
        graph(
            "Energy in the hour before",
            "DC energy of one hour back from each point in time; charge is drawn downwards.",
            units.KiloWattHour,
            Query(_energy_kwh(DISCHARGED, "1h"), "discharged"),
            Query(f"-{_energy_kwh(CHARGED, '1h')}", "charged"),
        ),
        graph(
            "Energy since the start",
            "DC energy of all enclosures since their integrators began.",
            units.KiloWattHour,
            Query(f"sum({_fleet(DISCHARGED)}) / {J_PER_KWH}", "discharged"),
            Query(f"sum({_fleet(CHARGED)}) / {J_PER_KWH}", "charged"),
        ),
        ranking(
            "Weakest enclosures",
            "The five that have discharged least since their integrators began.",
            units.KiloWattHour,
            Query(f"sort(bottomk(5, {total}))", "{{site}}/{{enclosure}}", instant=True),
        ),
        ranking(
            "Strongest enclosures",
            "The five that have discharged most since their integrators began.",
            units.KiloWattHour,
            Query(f"sort_desc(topk(5, {total}))", "{{site}}/{{enclosure}}", instant=True),
        ),
    ]


def _data() -> list[PanelBuilder]:
    active = f"max by (job, instance, site, rule) ({_ALARMS})"
    return [
        graph(
            "Coverage of the local day so far",
            "Of each site, the lowest and the mean known part of the day at its enclosures.",
            units.PercentUnit,
            Query(f"min by (site) ({_fleet(COVERAGE)})", "{{site}} lowest"),
            Query(f"avg by (site) ({_fleet(COVERAGE)})", "{{site}} mean"),
        )
        .min(0)
        .max(1),
        stacked(
            "Standing alarms",
            "DC inputs for which an alarm rule stands raised, by rule.",
            units.Short,
            Query(f"sum by (rule) ({active})", "{{rule}}"),
        ),
        ranking(
            "Longest silent blocks",
            "Time since the newest sample of the ten most silent power blocks, by the wall clock.",
            units.Seconds,
            Query(f"sort_desc(topk(10, {_age()}))", "{{site}}/{{block}}", instant=True),
        ),
    ]


_ALARMS = f'{ACTIVE_INPUTS.name}{{job=~"$job", instance=~"$instance", site=~"$site"}}'
