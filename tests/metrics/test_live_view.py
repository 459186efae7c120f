"""What the live view tells of enclosures, batteries and meters."""

from collections.abc import Iterable
from dataclasses import replace
from statistics import fmean, median
from threading import Event, Thread

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from stream_app.core.battery import (
    STALE_MS,
    Battery,
    CellSamples,
    MeterPoint,
    MeterSamples,
    SystemSamples,
)
from stream_app.core.battery_system import BatteryState, fold_battery
from stream_app.core.cells.quantities import MISSING
from stream_app.core.messages import Configure
from stream_app.core.meters import MeterState, fold_meter
from stream_app.core.stale import Expected
from stream_app.metrics import LiveView
from stream_app.metrics.batteries import BatteryReading, PackReading, battery_samples
from stream_app.metrics.live import coverage_of_day
from stream_app.pipeline import BlockState, fold
from tests.fleet_station import (
    MIDNIGHT_MS,
    QUARTER_MS,
    block,
    folded,
    publish_battery,
    publish_meter,
    publish_station,
)

NAN = float("nan")


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def of(enclosure: str, name: str = "INV-1") -> dict[str, str]:
    return {"site": "north", "block": name, "enclosure": enclosure}


def names(registry: CollectorRegistry) -> set[str]:
    text = generate_latest(registry).decode()
    return {s.name for family in text_string_to_metric_families(text) for s in family.samples}


def test_power_is_the_newest_of_the_input_times_the_share(registry: CollectorRegistry) -> None:
    LiveView(registry).publish("north/INV-1", folded({"DC1": [1000, -400], "DC2": [10, 20]}))

    power = "bess_enclosure_dc_power_watts"
    assert registry.get_sample_value(power, of("INV-1.E1")) == -200
    assert registry.get_sample_value(power, of("INV-1.E2")) == -200
    assert registry.get_sample_value(power, of("INV-1.E3")) == 10


def test_energy_is_in_joules_and_both_directions_are_counted_apart(
    registry: CollectorRegistry,
) -> None:
    state = folded({"DC1": [1000, 1000, -1000, -1000], "DC2": [0, 0, 0, 0]})
    LiveView(registry).publish("north/INV-1", state)

    # 1 kW for a quarter, a triangle of half a quarter each way, -1 kW for a quarter; half each.
    joules = (1000 * 900 + 1000 * 450 / 2) / 2
    discharged = "bess_enclosure_energy_discharged_joules_total"
    charged = "bess_enclosure_energy_charged_joules_total"
    assert registry.get_sample_value(discharged, of("INV-1.E1")) == joules
    assert registry.get_sample_value(charged, of("INV-1.E1")) == joules
    assert registry.get_sample_value(charged, of("INV-1.E4")) == 0


def test_unequal_shares_divide_power_and_energy(registry: CollectorRegistry) -> None:
    uneven = block()
    shares = {"DC1": {"A": 0.75, "B": 0.25}, "DC2": {"C": 1.0}}
    state = folded(
        {"DC1": [1000, 1000], "DC2": [0, 0]},
        of=type(uneven)(uneven.site, uneven.block, uneven.zone, shares, uneven.rules),
    )
    LiveView(registry).publish("north/INV-1", state)

    discharged = "bess_enclosure_energy_discharged_joules_total"
    assert registry.get_sample_value(discharged, of("A")) == 675_000
    assert registry.get_sample_value(discharged, of("B")) == 225_000
    assert registry.get_sample_value("bess_enclosure_dc_power_watts", of("B")) == 250


@pytest.mark.parametrize(
    ("first_quarter", "power", "expected"),
    [
        pytest.param(0, [1, 1, 1, 1, 1], 1.0, id="every quarter known"),
        pytest.param(4, [1, 1, 1, 1, 1], 0.5, id="data began an hour after midnight"),
        pytest.param(0, [1, NAN, NAN, NAN, 1], 0.0, id="a gap longer than allowed"),
        pytest.param(0, [1, NAN, 1, 1, 1], 1.0, id="a gap that is bridged"),
        pytest.param(-1, [1, 1], 1.0, id="the first instant of a day: nothing is missing yet"),
        pytest.param(-4, [1, 1, 1, 1, 1, 1], 1.0, id="only the new day counts after midnight"),
    ],
)
def test_coverage_is_the_known_part_of_the_day_so_far(
    first_quarter: int, power: list[float], expected: float
) -> None:
    start = MIDNIGHT_MS + first_quarter * QUARTER_MS
    state = folded({"DC1": power, "DC2": power}, start)

    assert coverage_of_day(state.inputs["DC1"]) == expected


def test_last_sample_is_the_newest_of_all_inputs_of_the_block(registry: CollectorRegistry) -> None:
    LiveView(registry).publish("north/INV-1", folded({"DC1": [1, 2, 3], "DC2": [1, NAN, NAN]}))

    newest = registry.get_sample_value(
        "bess_block_last_sample_timestamp_seconds", {"site": "north", "block": "INV-1"}
    )
    assert newest == (MIDNIGHT_MS + 2 * QUARTER_MS) / 1000


def test_a_block_without_samples_has_energy_zero_and_no_power_yet(
    registry: CollectorRegistry,
) -> None:
    state = BlockState()
    fold(state, [Configure(block())])
    LiveView(registry).publish("north/INV-1", state)

    assert names(registry) == {
        "bess_enclosure_energy_discharged_joules_total",
        "bess_enclosure_energy_charged_joules_total",
        "bess_alarm_active_inputs",
    }


def test_a_block_of_unknown_topology_is_not_shown(registry: CollectorRegistry) -> None:
    LiveView(registry).publish("north/INV-1", BlockState())

    assert names(registry) == set()


def test_a_standing_alarm_is_counted_and_a_quiet_rule_is_zero(registry: CollectorRegistry) -> None:
    state = folded({"DC1": [5, 5], "DC2": [900, 1]}, of=block(rating_w=4.0))
    LiveView(registry).publish("north/INV-1", state)

    def active(rule: str) -> float | None:
        labels = {"site": "north", "rule": rule}
        return registry.get_sample_value("bess_alarm_active_inputs", labels)

    assert active("POWER_OUTSIDE_RATING") == 1
    assert active("STALE_DATA") == 0


def test_forgotten_blocks_end_and_others_stay(registry: CollectorRegistry) -> None:
    view = LiveView(registry)
    publish_station(view, blocks=2, enclosures=4)

    view.forget(["north/INV-001", "north/never-seen"])

    power = "bess_enclosure_dc_power_watts"
    assert registry.get_sample_value(power, of("INV-001.E1", "INV-001")) is None
    assert registry.get_sample_value(power, of("INV-002.E1", "INV-002")) == 125e3


def test_a_published_reading_does_not_follow_the_state(registry: CollectorRegistry) -> None:
    state = folded({"DC1": [1000, 1000], "DC2": [0, 0]})
    LiveView(registry).publish("north/INV-1", state)

    state.inputs["DC1"].energy[0][0] = 0
    state.inputs["DC1"].latest = None

    assert registry.get_sample_value("bess_enclosure_dc_power_watts", of("INV-1.E1")) == 500


def test_scrapes_while_agents_publish_see_whole_blocks(registry: CollectorRegistry) -> None:
    view, stop = LiveView(registry), Event()

    def agents() -> None:
        while not stop.is_set():
            publish_station(view, blocks=3, enclosures=4)
            view.forget(["north/INV-002"])

    thread = Thread(target=agents)
    thread.start()
    try:
        counts = {enclosures_of(view.collect()) % 4 for _ in range(200)}
    finally:
        stop.set()
        thread.join()

    assert counts == {0}


def enclosures_of(families: Iterable[object]) -> int:
    return len(next(f for f in families if f.name == "bess_enclosure_dc_power_watts").samples)  # type: ignore[attr-defined]


def test_a_pack_shows_the_extremes_of_its_newest_row_and_its_critical_cells(
    registry: CollectorRegistry,
) -> None:
    publish_battery(LiveView(registry))

    system = {"site": "north", "system": "bess1"}
    pack = system | {"pack": "2"}
    assert registry.get_sample_value("bess_battery_soc_ratio", system) == 0.43
    newest = "bess_battery_last_sample_timestamp_seconds"
    assert registry.get_sample_value(newest, system) == (MIDNIGHT_MS + 180_000) / 1000
    assert registry.get_sample_value("bess_pack_cell_voltage_min_volts", pack) == 3.2
    assert registry.get_sample_value("bess_pack_cell_voltage_max_volts", pack) == 3.7
    assert registry.get_sample_value("bess_pack_cell_temperature_max_celsius", pack) == 25.5
    assert registry.get_sample_value("bess_pack_cell_voltage_mean_volts", pack) == (
        pytest.approx(3.36)
    )
    assert registry.get_sample_value("bess_pack_cell_voltage_spread_volts", pack) == 0.5
    assert registry.get_sample_value("bess_pack_worst_cell", pack) == 3
    assert registry.get_sample_value("bess_pack_worst_cell_deviation_volts", pack) == 0.4
    assert registry.get_sample_value("bess_pack_cell_temperature_min_celsius", pack) == 25.5
    assert registry.get_sample_value("bess_pack_critical_cells", pack) == 1
    assert registry.get_sample_value("bess_pack_critical_cells", system | {"pack": "1"}) == 0


NONE = MISSING
KINDS = ("voltage", "temperature")
PACKS = {
    "three": ([3_300_000, 3_200_000, 3_310_000], [25_000, 26_000, 27_000]),
    "five": ([3_300_000, 3_300_000, 3_400_000, 3_300_000, 3_300_000], [25_000] * 5),
    "another three": ([NONE, 3_300_000, 3_302_000], [NONE, NONE, 21_500]),
    "volts alone": ([3_300_000, 3_301_000], [NONE, NONE]),
    "no row yet": ([], []),
}


@pytest.mark.parametrize("name", PACKS)
def test_each_pack_has_the_values_of_its_own_cells_whatever_the_others_are(name: str) -> None:
    packs = tuple(
        PackReading(pack, np.array(volts, np.int32), np.array(warmth, np.int32), 0, {})
        for pack, (volts, warmth) in PACKS.items()
    )
    battery = BatteryReading("north", "bess1", None, None, None, packs, None)
    found = {
        metric.name.removeprefix("bess_pack_"): sample.value
        for metric, samples in battery_samples([battery])
        for sample in samples
        if sample.labels.get("pack") == name
    }

    volts, warmth = ([v for v in values if v != NONE] for values in PACKS[name])
    expected: dict[str, float] = {"critical_cells": 0}
    if volts:
        off = [0 if v == NONE else v - median(volts) for v in PACKS[name][0]]
        worst = max(range(len(off)), key=lambda cell: abs(off[cell]))
        expected |= {
            "cell_voltage_min_volts": min(volts) / 1e6,
            "cell_voltage_mean_volts": round(fmean(volts)) / 1e6,
            "cell_voltage_max_volts": max(volts) / 1e6,
            "cell_voltage_spread_volts": (max(volts) - min(volts)) / 1e6,
            "worst_cell": worst + 1,
            "worst_cell_deviation_volts": off[worst] / 1e6,
        }
    if warmth:
        expected |= {
            "cell_temperature_min_celsius": min(warmth) / 1e3,
            "cell_temperature_mean_celsius": round(fmean(warmth)) / 1e3,
            "cell_temperature_max_celsius": max(warmth) / 1e3,
        }
    if PACKS[name][0]:
        none = {kind: cells.count(NONE) for kind, cells in zip(KINDS, PACKS[name], strict=True)}
        expected |= {f"cells_without_{kind}": count for kind, count in none.items()}
    assert found == expected


def test_a_battery_shows_the_health_that_can_be_told_and_why_the_rest_cannot(
    registry: CollectorRegistry,
) -> None:
    publish_battery(LiveView(registry))

    system = {"site": "north", "system": "bess1"}
    assert registry.get_sample_value("bess_battery_imbalance_volts", system) == 0.02

    def soh(source: str) -> float | None:
        return registry.get_sample_value("bess_battery_soh_ratio", system | {"source": source})

    assert (soh("bms"), soh("ledger"), soh("estimate")) == (0.97, None, None)

    def evaluable(indicator: str, reason: str) -> float | None:
        labels = system | {"indicator": indicator, "reason": reason}
        return registry.get_sample_value("bess_battery_evaluable", labels)

    assert evaluable("soh_bms_ratio", "evaluable") == 1
    assert evaluable("soh_ledger_ratio", "missing_rating") == 0
    assert evaluable("soh_ledger_ratio", "evaluable") is None


def test_an_indicator_of_cells_is_evaluable_where_it_is_in_every_pack(
    registry: CollectorRegistry,
) -> None:
    state, battery = BatteryState(), Battery("north", "bess1", "UTC", {"1": 5, "2": 5})
    times = MIDNIGHT_MS + 60_000 * np.arange(7, dtype=np.int64)
    volts = np.full((7, 5), 3.3)
    both = CellSamples("1", times, volts, volts * 8)
    fold_battery(state, [battery, both, CellSamples("2", times, volts)])

    LiveView(registry).publish(battery.key, state)

    text = generate_latest(registry).decode()
    found = {
        sample.labels["indicator"]: (sample.labels["reason"], sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "bess_battery_evaluable"
    }
    assert found["voltage_limits"] == ("evaluable", 1)
    assert found["temperature_deviation"] == ("missing_signal", 0)
    assert found["rest"] == ("missing_signal", 0)


def test_a_battery_expects_rows_and_counts_names_that_are_no_signals_of_it(
    registry: CollectorRegistry,
) -> None:
    view, state = LiveView(registry), BatteryState()
    newest = MIDNIGHT_MS + 60_000
    samples = SystemSamples(np.array([MIDNIGHT_MS, newest]), {"soc": np.array([40.0, 41.0])})
    fold_battery(state, [Battery("north", "bess1", "UTC", {"1": 5}), samples])

    view.publish("north/battery/bess1", state)

    assert view.expectations() == {"north/battery/bess1": Expected(newest, newest, STALE_MS)}
    system = {"site": "north", "system": "bess1"}
    assert registry.get_sample_value("bess_battery_unknown_signals", system) == 1


def test_a_battery_that_is_given_up_has_no_series_and_expects_no_heartbeat(
    registry: CollectorRegistry,
) -> None:
    view = LiveView(registry)
    publish_battery(view)

    view.forget(["north/battery/bess1"])

    assert view.expectations() == {}
    assert not [name for name in names(registry) if "battery" in name or "pack" in name]


def labelled(registry: CollectorRegistry, name: str) -> list[tuple[dict[str, str], float]]:
    """Labels, less those of the place, and value of each series of a metric."""
    text = generate_latest(registry).decode()
    return [
        ({k: v for k, v in each.labels.items() if k not in ("site", "system", "meter")}, each.value)
        for family in text_string_to_metric_families(text)
        for each in family.samples
        if each.name == name
    ]


def test_alarms_that_stand_are_counted_by_priority_and_rule_and_no_others(
    registry: CollectorRegistry,
) -> None:
    view, name = LiveView(registry), "bess_battery_alarms"
    state, battery = BatteryState(), Battery("north", "bess1", "UTC", {"1": 5})
    smoke = replace(battery, signals={"smoke": "flag"})
    times = MIDNIGHT_MS + 1000 * np.arange(40, dtype=np.int64)
    volts = np.full((40, 5), 3.3) + np.array([0.0, 0.32, 0.36, 0.0, 0.0])
    fold_battery(state, [smoke, CellSamples("1", times, volts)])
    fold_battery(state, [SystemSamples(times[:2], {"smoke": np.array([0.0, 1.0])})])
    view.publish(battery.key, state)

    assert labelled(registry, name) == [
        ({"priority": "high", "rule": "OVER_VOLT_ALARM"}, 1),
        ({"priority": "medium", "rule": "OVER_VOLT_WARNING"}, 2),
        ({"priority": "high", "rule": "FLAG"}, 1),
    ]

    fold_battery(state, [CellSamples("1", times + 60_000, np.full((40, 5), 3.3))])
    fold_battery(state, [SystemSamples(times[:1] + 5000, {"smoke": np.zeros(1)})])
    view.publish(battery.key, state)

    assert labelled(registry, name) == []


def test_a_system_without_packs_says_which_limits_watch_it(registry: CollectorRegistry) -> None:
    state, battery = BatteryState(), Battery("north", "rack1", "UTC", {})
    view, times = LiveView(registry), np.array([MIDNIGHT_MS, MIDNIGHT_MS + 1000])
    fold_battery(state, [battery])
    view.publish(battery.key, state)
    assert labelled(registry, "bess_battery_evaluable") == []

    fold_battery(state, [SystemSamples(times, {"cell_max_v": np.full(2, 3.3)})])
    view.publish(battery.key, state)

    found = {
        labels["indicator"]: (labels["reason"], value)
        for labels, value in labelled(registry, "bess_battery_evaluable")
    }
    assert found["over_volt"] == ("evaluable", 1)
    assert found["under_volt"] == ("missing_signal", 0)
    assert found["voltage_deviation"] == ("no_cells", 0)


def test_a_meter_shows_its_power_and_its_newest_day(registry: CollectorRegistry) -> None:
    publish_meter(LiveView(registry))

    meter = {"site": "north", "meter": "m1"}
    assert registry.get_sample_value("bess_meter_power_watts", meter) == 1e6
    newest = "bess_meter_last_sample_timestamp_seconds"
    assert registry.get_sample_value(newest, meter) == (MIDNIGHT_MS + 100 * QUARTER_MS) / 1000
    mwh = {
        (labels["flow"], labels["source"]): value / 3.6e9
        for labels, value in labelled(registry, "bess_meter_day_energy_joules")
    }
    assert mwh == {
        ("import", "power"): 0,
        ("export", "power"): 24,
        ("export", "counter"): pytest.approx(26.4),
    }
    assert labelled(registry, "bess_meter_agrees") == [({"flow": "export"}, 0)]


def test_a_meter_says_what_its_newest_day_could_not_tell(registry: CollectorRegistry) -> None:
    publish_meter(LiveView(registry))

    found = {
        labels["indicator"]: (labels["reason"], value)
        for labels, value in labelled(registry, "bess_meter_evaluable")
    }
    assert found == {
        "import_kwh": ("evaluable", 1),
        "export_kwh": ("evaluable", 1),
        "power_factor_mean": ("missing_signal", 0),
        "import_counter_kwh": ("missing_signal", 0),
        "export_counter_kwh": ("evaluable", 1),
        "total_counter_kwh": ("missing_signal", 0),
        "import_difference_kwh": ("missing_signal", 0),
        "export_difference_kwh": ("evaluable", 1),
    }


def test_a_meter_before_its_first_day_is_over_shows_power_alone(
    registry: CollectorRegistry,
) -> None:
    state, view = MeterState(), LiveView(registry)
    view.publish("north/meter/m1", state)
    assert names(registry) == set()

    samples = MeterSamples(MIDNIGHT_MS + np.array([0, 1000]), {"power_w": np.full(2, -5.0)})
    fold_meter(state, [MeterPoint("north", "m1", "UTC"), samples])
    view.publish("north/meter/m1", state)

    assert names(registry) == {
        "bess_meter_power_watts",
        "bess_meter_last_sample_timestamp_seconds",
    }
    assert view.expectations() == {}
