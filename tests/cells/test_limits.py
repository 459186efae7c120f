"""Limits and rules of health: presets, numbers in their place, and what is refused."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from replay.config import load_config
from replay.errors import ReplayError
from replay.sample.cells import CellSpec, write_cells
from replay.signals.export import SignalExport
from schemas.glossary import terms
from stream_app.codec.battery import decode_battery, encode_battery
from stream_app.core.battery import Battery, CellSamples
from stream_app.core.cells.fold import CellsState, fold_cells
from stream_app.core.cells.limits import LIMIT_NAMES, PRESETS, limits_of
from stream_app.core.charge.rules import RULE_NAMES, rules_of

BATTERY = Battery("north", "b1", "Europe/Berlin", {"1": 6})
SECOND = 1000
START = 1_750_000_000_000


def raised(battery: Battery, voltage: float) -> list[str]:
    """What begins while one cell holds a voltage for half a minute."""
    times = START + SECOND * np.arange(40, dtype=np.int64)
    volts = np.full((40, 6), 3.7)
    volts[5:, 2] = voltage
    every = fold_cells(CellsState(), [battery, CellSamples("1", times, volts)]).findings
    return [each.rule for each in every if each.raised]


@pytest.mark.parametrize(
    ("limits", "own", "voltage", "found"),
    [
        ("nmc", {}, 4.149, []),
        ("nmc", {}, 4.15, ["OVER_VOLT_WARNING"]),
        ("nmc", {}, 4.2, ["OVER_VOLT_ALARM", "OVER_VOLT_WARNING"]),
        ("nmc", {}, 2.8, ["UNDER_VOLT_WARNING"]),
        ("nmc", {}, 2.5, ["UNDER_VOLT_ALARM", "UNDER_VOLT_WARNING"]),
        ("nmc", {"over_volt_alarm_v": 4.25}, 4.2, ["OVER_VOLT_WARNING"]),
        ("nmc", {"under_volt_warning_v": 3.0}, 2.9, ["UNDER_VOLT_WARNING"]),
        ("none", {}, 5.0, []),
    ],
)
def test_a_cell_is_judged_by_its_preset_and_by_numbers_in_its_place(
    limits: str, own: dict[str, float], voltage: float, found: list[str]
) -> None:
    battery = replace(BATTERY, chemistry="nmc", limits=limits, own_limits=own)

    assert raised(battery, voltage) == found


@pytest.mark.parametrize(
    ("own", "celsius", "found"),
    [
        ({}, 60, ["OVER_TEMP_ALARM", "OVER_TEMP_WARNING"]),
        ({"over_temp_alarm_c": 65}, 60, ["OVER_TEMP_WARNING"]),
        ({}, -25, ["UNDER_TEMP_ALARM"]),
        ({"under_temp_alarm_c": -30}, -25, []),
    ],
)
def test_temperatures_have_presets_and_own_limits_too(
    own: dict[str, float], celsius: float, found: list[str]
) -> None:
    times = START + SECOND * np.arange(40, dtype=np.int64)
    samples = CellSamples("1", times, None, np.full((40, 6), celsius, dtype=float))

    every = fold_cells(CellsState(), [replace(BATTERY, own_limits=own), samples]).findings

    assert {each.rule for each in every if each.raised} == set(found)


def test_each_own_limit_changes_a_number_and_nothing_else() -> None:
    preset = limits_of(BATTERY)

    changed = {
        name: limits_of(replace(BATTERY, own_limits={name: 3.0 if "volt" in name else 0.5}))
        for name in LIMIT_NAMES
    }

    assert preset not in changed.values()
    assert len({msgspec.json.encode(each) for each in changed.values()}) == len(LIMIT_NAMES)


def test_each_own_rule_changes_a_number_and_nothing_else() -> None:
    pairs = {"anchor_low_ratio": {"anchor_high_ratio": 0.9}, "anchor_high_ratio": {}}
    given = [
        {name: 0.3, **pairs.get(name, {})} for name in RULE_NAMES if name != "anchor_high_ratio"
    ]

    changed = [rules_of(replace(BATTERY, own_rules=each)) for each in given]

    assert rules_of(BATTERY) not in changed
    assert len(set(changed)) == len(given)


@pytest.mark.parametrize("preset", [each for each in PRESETS.values() if each])
def test_each_number_of_a_preset_names_its_source(preset: object) -> None:
    sources = preset.sources  # type: ignore[attr-defined]

    assert {"thresholds", "deviation_uv", "spread_uv", "temperature_deviation_mdeg"} <= {*sources}
    assert all(sources.values())


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"limits": "lead"}, "no preset of limits 'lead'; there are lfp, nmc, none"),
        ({"own_limits": {"over_volt": 3.6}}, "no limit 'over_volt'; there are over_volt_alarm_v,"),
        ({"own_limits": {"spread_rest_v": 0}}, "spread_rest_v is 0; it must be above 0"),
        ({"own_limits": {"over_volt_alarm_v": 3.5}}, "to the highest are 2.4, 2.6, 3.6, 3.5 V"),
        ({"own_limits": {"over_temp_warning_c": 61}}, "the highest are -20, 0, 61, 60 degC"),
        ({"own_limits": {"under_temp_alarm_c": -2000}}, "it must be above -1000 and below 1000"),
        ({"own_limits": {"under_volt_warning_v": 3.4}}, "the warnings must end before they meet"),
        ({"limits": "none", "own_limits": {"spread_rest_v": 1}}, "name another beside limits"),
        ({"own_rules": {"full": 0.9}}, "no rule of health 'full'; there are soc_full_ratio,"),
        ({"own_rules": {"soc_jump_ratio": 3}}, "soc_jump_ratio is 3; it must be 0 to 1"),
        ({"own_rules": {"anchor_low_ratio": 0.2}}, "belong together"),
        (
            {"own_rules": {"soc_empty_ratio": 0.5, "soc_full_ratio": 0.4}},
            "soc_empty_ratio is 0.5; it must be below soc_full_ratio, 0.4",
        ),
    ],
)
def test_numbers_that_make_no_sense_are_refused_with_the_remedy(
    fields: dict[str, object], told: str
) -> None:
    plain = msgspec.json.decode(encode_battery(BATTERY)) | fields

    with pytest.raises(ValueError, match=r"^.+$") as fault:
        decode_battery(BATTERY.key, msgspec.json.encode(plain))

    assert told in str(fault.value)


def test_own_numbers_travel_in_the_record() -> None:
    battery = replace(
        BATTERY,
        limits="nmc",
        own_limits={"spread_rest_v": 0.05},
        own_rules={"soc_full_ratio": 0.98},
    )

    assert decode_battery(battery.key, encode_battery(battery)) == battery


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = CellSpec(days=1, interval_s=3600, systems=2, packs=1, cells=4, meters=0, faults=())
    return write_cells(tmp_path_factory.mktemp("cells"), spec).directory


def configured(folder: Path, battery: str) -> SignalExport:
    text = (folder / "config.yaml").read_text().partition("battery:")[0]
    path = folder / "own.yaml"
    path.write_text(f"{text}battery:\n{battery}")
    return SignalExport.open(load_config(path))


def test_the_configuration_names_presets_and_single_numbers(folder: Path) -> None:
    one, other = configured(
        folder,
        """
  chemistry: nmc
  own_limits: {over_volt_alarm_v: 4.25, spread_rest_v: 0.05}
  own_rules: {soc_full_ratio: 0.98}
  systems:
    bess1: {limits: lfp, own_limits: {over_volt_alarm_v: 3.7}}
""",
    ).batteries

    assert (one.limits, other.limits) == ("lfp", "nmc")
    assert one.own_limits == {"over_volt_alarm_v": 3.7, "spread_rest_v": 0.05}
    assert other.own_limits == {"over_volt_alarm_v": 4.25, "spread_rest_v": 0.05}
    assert one.own_rules == other.own_rules == {"soc_full_ratio": 0.98}


@pytest.mark.parametrize(
    ("chemistry", "preset"), [("lfp", "lfp"), ("nmc", "nmc"), ("other", "none")]
)
def test_without_a_preset_the_chemistry_says_which(
    folder: Path, chemistry: str, preset: str
) -> None:
    export = configured(folder, f"  chemistry: {chemistry}\n")

    assert {each.limits for each in export.batteries} == {preset}


@pytest.mark.parametrize(
    ("battery", "told"),
    [
        ("  own_limits: {over_volts: 3.6}\n", "battery.own_limits.over_volts"),
        ("  own_limits: {over_volt_alarm_v: 3}\n", "battery/bess1: limits from the lowest"),
        ("  limits: lead\n", "there is no preset of limits 'lead'"),
        ("  own_rules: {soc_full_ratio: -1}\n", "soc_full_ratio is -1; it must be 0 to 1"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused_before_anything_is_read(
    folder: Path, battery: str, told: str
) -> None:
    with pytest.raises(ReplayError) as fault:
        configured(folder, battery)

    assert told in str(fault.value)


def test_the_documentation_names_all_of_them() -> None:
    text = (Path(__file__).parents[2] / "docs" / "config.md").read_text()

    assert {term.name for term in terms()} >= {"own_limits", "own_rules"}
    assert [name for name in (*LIMIT_NAMES, *RULE_NAMES) if f"`{name}`" not in text] == []
