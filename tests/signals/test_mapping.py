"""Which column is which signal: presets, rules, and what does not fit."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from replay.config import Config, parse_config
from replay.errors import ConfigError, TopologyError
from replay.presets import names
from replay.signals.export import SignalExport
from replay.signals.mapping import Target, mapped
from stream_app.core.battery import BatteryRules
from stream_app.core.health.columns import SIGNALS
from tests.replay.exports import csv_file
from tests.replay.exports import parquet as parquet_file
from tests.signals.exports import (
    SYSTEM,
    minutes,
    opened,
    rows_of,
    signal_file,
    values,
    without_absent,
)


def target(preset: str, address: str) -> Target:
    rules = parse_config({"signals": {"preset": preset}}).signals.rules
    return mapped([address], rules).targets[address]


@pytest.mark.parametrize("preset", names())
def test_every_preset_is_a_valid_config(preset: str) -> None:
    assert parse_config({"signals": {"preset": preset}}).signals.rules


@pytest.mark.parametrize(
    ("preset", "address", "of", "name", "signal", "size"),
    [
        ("s4", "BESS/A/bms1_p3_v52", "cells", "A", "voltage_v", 1),
        ("s4", "BESS/A/bms1_p3_t7", "cells", "A", "temperature_c", 1),
        ("s4", "BESS/A/bms1_soc", "system", "A", "soc_ratio", 0.01),
        ("s4", "BESS/A/bms1_soh", "system", "A", "soh_ratio", 0.01),
        ("s4", "BESS/A/bms1_v", "system", "A", "voltage_v", 1),
        ("s4", "BESS/A/bms1_c", "system", "A", "current_a", 1),
        ("s4", "BESS/A/pcs1_ap", "system", "A", "ac_power_w", 1000),
        ("s4", "BESS/A/pcs1_dcv", "system", "A", "pcs1_dcv", 1),
        ("s4", "BESS/A/pcs1_t_igbt", "system", "A", "pcs1_t_igbt", 1),
        ("s4", "BESS/A/bms1_cell_ave_v", "system", "A", "bms1_cell_ave_v", 1),
        ("s4", "BESS/A/bms1_cell_max_v", "system", "A", "cell_max_v", 1),
        ("s4", "BESS/A/bms1_cell_min_v", "system", "A", "cell_min_v", 1),
        ("s4", "BESS/A/bms1_cell_v_diff", "system", "A", "cell_spread_v", 1),
        ("s4", "BESS/A/bms1_cell_max_t", "system", "A", "cell_max_c", 1),
        ("s4", "BESS/A/bms1_cell_ave_t", "system", "A", "cell_mean_c", 1),
        ("s4", "BESS/A/bms1_cell_t_diff", "system", "A", "bms1_cell_t_diff", 1),
        ("s4", "BESS/A/fa3_SmokeFlag", "system", "A", "fa3_SmokeFlag", 1),
        ("s4", "BESS/A/aux_m_ap", "system", "A", "aux_m_ap", 1),
        ("s4", "meter/m4/com_ap", "meter", "m4", "power_w", -1000),
        ("s4", "meter/m4/com_ae", "meter", "m4", "total_wh", 1000),
        ("s4", "meter/m4/pos_ae", "meter", "m4", "import_wh", 1000),
        ("s4", "meter/m4/neg_ae", "meter", "m4", "export_wh", 1000),
        ("s4", "meter/m4/pf", "meter", "m4", "power_factor", 1),
        ("racks", "e/BMS SOC (%)", "system", "BMS", "soc_ratio", 0.01),
        ("racks", "e/Rack 3 Current (A)", "system", "Rack_3", "current_a", 1),
        ("racks", "e/Rack 3 Allowed charge current (A)", "system", "Rack_3", "charge_limit_a", 1),
        ("racks", "e/Rack 12 Min cell voltage (V)", "system", "Rack_12", "cell_min_v", 1),
        ("m5bat", "d/SOC_batt10", "system", "batt10", "soc_ratio", 0.001),
        ("m5bat", "d/I_DC_Batt_batt1", "system", "batt1", "current_a", 0.1),
        ("m5bat", "d/U_DC_Batt_batt1", "system", "batt1", "voltage_v", 0.1),
        ("m5bat", "d/P_AC_batt1", "system", "batt1", "ac_power_w", 1000),
        ("m5bat", "d/P_AC_Set_batt1", "system", "batt1", "P_AC_Set", 1),
        ("m5bat", "d/M5BAT_P", "meter", "plant", "power_w", 1000),
    ],
)
def test_a_preset_knows_its_names(
    preset: str, address: str, of: str, name: str, signal: str, size: float
) -> None:
    found = target(preset, address)

    assert (found.of, found.name, found.signal, float(found.size)) == (of, name, signal, size)


def test_a_cell_has_its_pack_and_its_number() -> None:
    found = target("s4", "BESS/A/bms1_p3_v52")

    assert (found.pack, found.cell) == ("3", 52)


@pytest.mark.parametrize(
    ("address", "keep"),
    [("BESS/A/fa1_ErrCode", "flag"), ("BESS/A/fa1_T1", "max"), ("BESS/A/pcs1_ia", "extremes")],
)
def test_flags_are_flags_and_temperatures_of_alarm_boxes_are_kept_by_their_maximum(
    address: str, keep: str
) -> None:
    assert target("s4", address).keep == keep


def test_rules_of_the_file_come_before_those_of_the_preset() -> None:
    own = {"match": "bms1_c$", "of": "system", "signal": "current_a", "system": "A"}
    config = parse_config(
        {"signals": {"preset": "s4", "rules": [{**own, "unit": "mA", "positive": "charge"}]}}
    )

    assert float(mapped(["x/bms1_c"], config.signals.rules).targets["x/bms1_c"].size) == -0.001


def test_keys_of_the_file_come_before_those_of_the_preset() -> None:
    config = parse_config({"signals": {"preset": "s4"}, "parsing": {"timezone": "UTC"}})

    assert (config.parsing.timezone, config.parsing.timestamp_col) == ("UTC", "ts")


@pytest.mark.parametrize(
    ("unit", "text", "expected"),
    [
        ("mV", "3301", 3.301),
        ("0.1 V", "33", 3.3),
        ("V", "3.301", 3.301),
        ("0.0001 V", "33017", 3.3017),
    ],
)
def test_a_unit_costs_no_digit(tmp_path: Path, unit: str, text: str, expected: float) -> None:
    signal_file(tmp_path / "A/u.csv", minutes([text] * 3))
    rule = {"match": "(?P<system>A)/u$", "of": "system", "signal": "voltage_v", "unit": unit}

    export = opened(
        tmp_path,
        signals={"rules": [rule]},
        parsing={"timezone": "UTC", "timestamp_col": "ts"},
    )

    assert values(rows_of(export)[SYSTEM, ""], "voltage_v")[0] == [expected]


def test_unknown_columns_are_counted_and_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    for name in ("bms1_soc", "bms1_soq", "xyz"):
        signal_file(tmp_path / f"A/{name}.csv", minutes([1, 2]))

    remarks = opened(tmp_path).remarks

    folder = tmp_path.name
    assert remarks[:3] == [
        "not known to signals.rules: 2 columns; add a rule",
        f"  {folder}/A/bms1_soq (nearest known: bms1_soc)",
        f"  {folder}/A/xyz",
    ]


def test_a_signal_without_a_meaning_says_how_it_is_kept_or_is_named_with_the_nearest_known(
    tmp_path: Path,
) -> None:
    ours = r"(?P<system>A)/"
    rules = [
        {"match": ours + "x1$", "of": "system", "signal": "soc"},
        {"match": ours + "x2$", "of": "system", "signal": "fan", "keep": "extremes"},
        {"match": ours + "x3$", "of": "system", "signal": "cell_max_v"},
    ]
    for name in ("x1", "x2", "x3"):
        signal_file(tmp_path / f"A/{name}.csv", minutes([1, 2]))

    parsing = {"timezone": "UTC", "timestamp_col": "ts"}
    export = opened(tmp_path, signals={"rules": rules}, parsing=parsing)

    (remark,) = export.remarks
    assert remark.startswith(f"{tmp_path.name}/A/x1: 'soc' is no signal that health is told from")
    assert "(nearest known: soc_ratio)" in remark
    assert "keep: extremes" in remark
    assert set(export.batteries[0].signals) == {"soc", "fan", "cell_max_v"}


@pytest.mark.parametrize(("after", "expected"), [(None, 2_700_000), ("20min", 1_200_000)])
def test_the_silence_of_a_battery_is_that_of_the_configuration(
    tmp_path: Path, after: str | None, expected: int
) -> None:
    signal_file(tmp_path / "A/bms1_soc.csv", minutes([1, 2]))
    alarms = {} if after is None else {"alarms": {"stale_after": after}}

    (battery,) = opened(tmp_path, **alarms).batteries

    assert battery.rules.stale_ms == expected


def test_columns_that_rules_leave_out_are_counted(tmp_path: Path) -> None:
    rules = [{"match": "/x", "of": "nothing"}]
    for name in ("bms1_soc", "x1", "x2"):
        signal_file(tmp_path / f"A/{name}.csv", minutes([1, 2]))

    export = opened(tmp_path, signals={"preset": "s4", "rules": rules})

    assert without_absent(export.remarks) == ["left out as signals.rules says: 2 columns"]


def test_signals_of_a_system_that_rules_name_and_no_file_holds_are_named(tmp_path: Path) -> None:
    ours = r"(?P<system>\w+)/"
    rules = [
        {"match": ours + "soc$", "of": "system", "signal": "soc_ratio"},
        {"match": ours + "(?:c|i)$", "of": "system", "signal": "current_a"},
        {"match": ours + "amps$", "of": "system", "signal": "current_a"},
        {"match": ours + "fan$", "of": "system", "signal": "fan", "keep": "max"},
        {"match": "B2/v$", "of": "system", "system": "B2", "signal": "voltage_v"},
    ]
    for name in ("B1/soc", "B2/soc", "B2/amps"):
        signal_file(tmp_path / f"{name}.csv", minutes([1, 2]))

    parsing = {"timezone": "UTC", "timestamp_col": "ts"}
    export = opened(tmp_path, signals={"rules": rules}, parsing=parsing)

    assert export.remarks == [
        "B1 has no current_a, which signals.rules names: no column is that",
        "B2 has no voltage_v, which signals.rules names: no column is that",
    ]


def test_cells_without_a_file_are_named(tmp_path: Path) -> None:
    for name in ("p1_v1", "p1_v4", "p1_t1", "p1_t2", "p1_t3", "p1_t4", "p2_v10"):
        signal_file(tmp_path / f"A/bms1_{name}.csv", minutes([3, 3]))

    remarks = opened(tmp_path, battery={"cells": 10}).remarks

    assert without_absent(remarks) == [
        "A pack 1 has no temperature_c of cell 5, 6, 7, 8, 9, 10",
        "A pack 1 has no voltage_v of cell 2, 3, 5, 6, 7, 8, 9, 10",
        "A pack 2 has no voltage_v of cell 1, 2, 3, 4, 5, 6, 7, 8, 9",
    ]


def test_packs_of_a_system_have_as_many_cells_as_the_longest(tmp_path: Path) -> None:
    for name in ("A/bms1_p1_v3", "A/bms1_p2_v7", "B/bms1_p1_v5"):
        signal_file(tmp_path / f"{name}.csv", minutes([3, 3]))

    found = {battery.system: battery.packs for battery in opened(tmp_path).batteries}

    assert found == {"A": {"1": 7, "2": 7}, "B": {"1": 5}}


def test_a_battery_has_its_ratings_and_rules_from_the_config(tmp_path: Path) -> None:
    for system in ("A", "B"):
        signal_file(tmp_path / f"{system}/fa1_Co.csv", minutes([3, 3]))
    battery = {
        "capacity_ah": 280,
        "energy_kwh": 233,
        "commissioned": "2023-07-01",
        "rest_current_a": 2,
        "rest_time": "10min",
        "systems": {"B": {"capacity_ah": 140, "chemistry": "nmc", "commissioned": "2024-01-31"}},
    }

    one, other = opened(tmp_path, battery=battery).batteries

    assert one.rules == BatteryRules(60_000, 180_000, 3_600_000, 2.0, 600_000)
    assert (one.capacity_ah, one.energy_wh, one.chemistry) == (280.0, 233_000.0, "lfp")
    assert (other.capacity_ah, other.energy_wh, other.chemistry) == (140.0, 233_000.0, "nmc")
    assert (one.commissioned, other.commissioned) == ("2023-07-01", "2024-01-31")
    assert one.signals == {"fa1_Co": "max"}


def signals(**keys: object) -> dict[str, object]:
    return {"signals": keys}


def rule(**keys: object) -> dict[str, object]:
    return signals(rules=[{"match": "(?P<system>A)/x$", "of": "system", "signal": "x", **keys}])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (signals(preset="s5"), r"signals\.preset: there is no 's5'; known: m5bat, racks, s4"),
        (signals(presett="s4"), r"unknown key signals\.presett; did you mean signals\.preset\?"),
        (rule(match="x"), r"lacks the named group \(\?P<system>"),
        (rule(match="("), "is no regular expression"),
        (rule(unit="furlong"), "'furlong' is no unit; write one such as V"),
        (rule(signal="current_a", unit="V"), "current_a is in A or mA or kA, not in 'V'"),
        (rule(signal=""), "a signal of a system needs its name in signal"),
        (rule(of="meter", meter="m"), "'x' is no signal of meter: power_w"),
        ({"battery": {"commissioned": "soon"}}, r"battery\.commissioned: Invalid isoformat"),
        ({"battery": {"cells": 0}}, r"battery\.cells: .*greater than 0"),
    ],
)
def test_a_mistake_in_the_config_is_named(raw: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^here: .*{message}"):
        parse_config(raw, "here")


@pytest.mark.parametrize(
    ("files", "sections", "message"),
    [
        (["A/x"], {}, r"no rule of signals\.rules finds a signal .*A/x"),
        (["A/bms1_soc", "q/A/bms1_soc"], {}, r"both measure soc_ratio of A; narrow the match"),
        (["A/bms1_p1_v2", "A/bms1_p1_v02"], {}, r"both measure .* of A pack 1 cell 2"),
        (["A/bms1_p1_v0"], {}, r"bms1_p1_v0: cells are numbered from 1, and '0'"),
        (["A/bms1_p1_v1001"], {}, "A has a cell 1001, but a pack has 1000 at most"),
        (
            ["A/bms1_p1_v9"],
            {"battery": {"cells": 8}},
            r"has a cell 9, but a pack has 8 .* battery\.cells",
        ),
        (["A/bms1_soc"], {"battery": {"limits": "lpf"}}, "battery/A: there is no preset .* 'lpf'"),
        (
            ["A/bms1_soc"],
            {"battery": {"systems": {"B": {}}}},
            r"battery\.systems names 'B'; the export has A",
        ),
    ],
)
def test_what_does_not_fit_together_is_named(
    tmp_path: Path, files: list[str], sections: dict[str, object], message: str
) -> None:
    for name in files:
        signal_file(tmp_path / f"{name}.csv", minutes([1, 2]))

    with pytest.raises(TopologyError, match=message):
        opened(tmp_path, **sections)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([f"x{n}" for n in range(513)], "battery/A: signals has 513; at most 512"),
        (
            ["bms1_soc", "bms1_soh", "bms1_v", *(f"x{n}" for n in range(510))],
            "battery/A has 513 signals; at most 512",
        ),
    ],
)
def test_what_no_reader_would_take_is_refused_before_it_is_published(
    tmp_path: Path, names: list[str], message: str
) -> None:
    rules = [{"match": "(?P<system>A)/(?P<n>x.*)", "of": "system", "signal": "{n}"}]
    columns: dict[str, list[object]] = {name: [1, 2] for name in names}
    times: list[object] = ["2025-07-01 00:00", "2025-07-01 00:01"]
    (tmp_path / "A").mkdir()
    csv_file(tmp_path / "A/wide.csv", {"ts": times, **columns})

    with pytest.raises(TopologyError, match=message):
        opened(tmp_path, signals={"preset": "s4", "rules": rules})


def test_a_wide_file_may_hold_racks(tmp_path: Path) -> None:
    times = ["2025-07-01 00:00", "2025-07-01 00:01", "2025-07-01 00:02"]
    columns = {"Timestamp": times, "BMS SOC (%)": [50, 51, 52]}
    for rack in (1, 2):
        columns |= {
            f"Rack {rack} Current (A)": [10 * rack, "", -rack],
            f"Rack {rack} Max cell voltage (V)": [3.3, 3.31, 3.32],
        }
    csv_file(tmp_path / "racks.csv", columns)

    export = opened(
        tmp_path / "racks.csv", signals={"preset": "racks"}, data={"paths": [str(tmp_path)]}
    )
    rows = rows_of(export)

    assert [battery.system for battery in export.batteries] == ["BMS", "Rack_1", "Rack_2"]
    assert values(rows["station/battery/Rack_2", ""], "current_a") == {
        0: [20.0],
        1: [None],
        2: [-2.0],
    }
    assert export.batteries[1].signals == {"cell_max_v": "extremes"}


def test_the_m5bat_preset_reads_tenths(tmp_path: Path) -> None:
    when = [datetime(2023, 4, 7, 0, 0, second, tzinfo=UTC) for second in range(3)]
    columns = {
        "SOC_batt1": [474, 475, 476],
        "I_DC_Batt_batt1": [-7, 0, 5112],
        "U_DC_Batt_batt1": [6226, 6226, 6254],
        "Temperature": [83, 83, 83],
        "__index_level_0__": [time.replace(tzinfo=None) for time in when],
    }
    path = parquet_file(tmp_path / "day.parquet", columns)

    export = SignalExport.open(m5bat(path))
    rows = rows_of(export)["m5bat/battery/batt1", ""]

    assert [time for time, _ in rows] == [round(each.timestamp() * 1000) for each in when]
    assert rows[0][1] == {"soc_ratio": [0.474], "current_a": [-0.7], "voltage_v": [622.6]}
    assert rows[2][1]["current_a"] == [511.2]


def m5bat(path: Path) -> Config:
    return parse_config({"data": {"paths": [str(path)]}, "signals": {"preset": "m5bat"}})


def test_what_the_bms_tells_of_its_cells_has_the_names_that_health_is_told_from() -> None:
    told = {"max_v", "min_v", "v_diff", "max_t", "ave_t"}
    found = {target("s4", f"BESS/A/bms1_cell_{name}").signal for name in told}

    assert len(found) == len(told)
    assert found <= {signal.name for signal in SIGNALS}
