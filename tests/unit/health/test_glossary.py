"""What is told of batteries and meters is in the glossary."""

from pathlib import Path
from typing import get_args

import numpy as np

from stream_app.core.battery import MeterPoint, MeterSamples
from stream_app.core.daily import Why
from stream_app.core.health.columns import SIGNALS
from stream_app.core.health.extremes import LimitIndicator, SystemReason
from stream_app.core.health.indicators import INDICATORS
from stream_app.core.health.soc import SOC_RULES
from stream_app.core.messages import EndOfData
from stream_app.core.meters import MeterState, fold_meter

GLOSSARY = (Path(__file__).parents[3] / "schemas" / "nomenclature.md").read_text(encoding="utf-8")


def test_every_indicator_reason_rule_and_signal_of_a_battery_has_its_row() -> None:
    names = {*INDICATORS, *get_args(Why), *SOC_RULES, *(signal.name for signal in SIGNALS)}
    names |= {*get_args(LimitIndicator), *get_args(SystemReason)}

    assert {name for name in names if f"| `{name}` |" not in GLOSSARY} <= {
        "soh_ratio",
        "voltage_v",
        "current_a",
        "dc_power_w",
        "ac_power_w",
    }, "these are fields of records and have their rows there"


def test_every_indicator_of_a_meter_has_its_row() -> None:
    point, samples = MeterPoint("site", "m1", "UTC"), MeterSamples(np.array([1, 2]) * 10**12, {})
    (day,) = fold_meter(MeterState(), [point, samples, EndOfData(2 * 10**12 + 1)]).days[:1]

    assert [name for name in day.missing | day.values if f"| `{name}` |" not in GLOSSARY] == []
