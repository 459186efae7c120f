"""Charge, capacity and imbalance of a pack, by its own cells and the current of its string."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from schemas import topics
from stream_app.codec.battery_state import load_battery, save_battery
from stream_app.codec.results_battery import encode_battery_outputs
from stream_app.core.battery import Battery, CellSamples
from stream_app.core.battery_system import BatteryState, fold_battery
from stream_app.core.cells.charge import CHARGE_NAMES
from stream_app.core.energy import Floats
from stream_app.core.messages import EndOfData
from tests.unit.health.battery import BATTERY, HOUR, MIDNIGHT, MINUTE, Pack

CELLS = 6
PACKS = replace(BATTERY, packs={"1": CELLS})
OFF = np.array([0.0, 0.001, 0.0, -0.001, 0.0, -0.008])
"""V beside the middle."""
AGED = Pack(capacity_ah=266.0)
"""Has 95 % of its rating, and moves between 12 and 98 % each day."""
STEEP = Pack(start=0.05, plan=((0, 0.0),))
FLAT, BUSY = Pack(start=0.5, plan=((0, 0.0),)), Pack(start=0.5, plan=((0, 5.0), (12, -5.0)))


def rows(pack: Pack = AGED, days: float = 1.5, off: Floats = OFF) -> CellSamples:
    told = pack.samples(days)
    current, soc = told.values["current_a"], told.values["soc_ratio"]
    volts = pack.volts(soc, current)[:, np.newaxis] + off
    return CellSamples("1", told.times, volts, np.full(volts.shape, 25.0), current, soc)


def part(samples: CellSamples, kept: "np.ndarray | slice") -> CellSamples:
    names = ("times", "voltage_v", "temperature_c", "current_a", "soc_ratio")
    return replace(samples, **{name: getattr(samples, name)[kept] for name in names})


def days(*parts: CellSamples, battery: Battery = PACKS) -> list[Mapping[str, Any]]:
    """Days of the pack in order, as they are published; the state goes through its bytes."""
    state, found = BatteryState(), []
    end = EndOfData(int(parts[-1].times[-1]) + 1)
    for message in (battery, *parts, end):
        outputs = fold_battery(state, [message])
        state = load_battery(save_battery(state).get)
        for record in encode_battery_outputs(battery, outputs):
            if record.topic == topics.CELLS["1d"]:
                plain = json.loads(record.value)
                names = (*CHARGE_NAMES, "missing")
                columns = zip(*(plain[name] for name in names), strict=True)
                found += [dict(zip(names, each, strict=True)) for each in columns]
    return found


def missing(day: Mapping[str, Any]) -> Sequence[str]:
    """Reasons for the charge, the health and the imbalance."""
    return [day["missing"].get(name) for name in CHARGE_NAMES[::2]]


def test_a_pack_that_has_lost_capacity_is_told_so_within_the_stated_error() -> None:
    day = days(rows())[0]

    assert day["missing"] == {}
    assert day["soh_ledger_ratio"] == pytest.approx(0.95, abs=day["soh_ledger_error_ratio"])
    assert day["soh_ledger_error_ratio"] < 0.12
    assert day["soc_ledger_ratio"] == pytest.approx(0.12, abs=day["soc_ledger_error_ratio"])
    assert day["soc_ledger_error_ratio"] < 0.08
    assert day["imbalance_v"] == pytest.approx(0.009, abs=1e-6)


def test_a_stuck_cell_is_neither_in_the_charge_nor_in_the_imbalance() -> None:
    stuck = rows()
    assert stuck.voltage_v is not None
    stuck.voltage_v[:, 2] = 3.35

    day, plain = days(stuck)[0], days(rows())[0]

    for name in CHARGE_NAMES[:4]:
        assert day[name] == pytest.approx(plain[name], abs=0.01)
    assert day["imbalance_v"] == pytest.approx(plain["imbalance_v"], abs=0.001)
    assert (day["imbalance_left_out"], plain["imbalance_left_out"]) == (1, 0)


def test_a_cell_that_is_off_and_measured_is_in_the_imbalance() -> None:
    off = np.where(np.arange(CELLS) == 2, 0.04, OFF)

    assert days(rows(off=off))[0]["imbalance_v"] == pytest.approx(0.048, abs=1e-6)


@pytest.mark.parametrize("cut", [3, 101])
def test_a_day_is_told_alike_however_rows_are_cut(cut: int) -> None:
    whole = part(rows(), slice(0, None, 5))
    places = range(0, whole.times.size, cut)

    assert days(*(part(whole, slice(at, at + cut)) for at in places)) == days(whole)


@pytest.mark.parametrize(
    ("battery", "samples", "reasons"),
    [
        (PACKS, rows(FLAT), ["no_anchor"] * 2 + [None]),
        (PACKS, rows(BUSY), ["no_anchor"] * 2 + ["no_rest"]),
        (PACKS, rows(STEEP, 1.2), [None, "no_anchor", "no_flat_rest"]),
        (PACKS, replace(rows(), current_a=None), ["missing_signal"] * 3),
        (replace(PACKS, capacity_ah=None), rows(), ["missing_rating"] * 2 + [None]),
        (replace(PACKS, chemistry="other"), rows(), ["other_chemistry"] * 2 + [None]),
        (replace(PACKS, limits="none"), rows(), [None] * 3),
    ],
    ids=[
        "flat",
        "never at rest",
        "rests at the bottom",
        "no current",
        "no rating",
        "no curve",
        "nothing is judged",
    ],
)
def test_what_cannot_be_told_has_a_reason(
    battery: Battery, samples: CellSamples, reasons: list[str | None]
) -> None:
    day = days(samples, battery=battery)[0]

    assert missing(day) == reasons
    if battery.limits != "none":
        assert all((day[name] is None) == (name in day["missing"]) for name in CHARGE_NAMES)


def test_charge_that_flowed_unseen_is_not_guessed() -> None:
    samples = rows(days=0.8)
    hours = (samples.times - MIDNIGHT) / HOUR

    after = days(part(samples, (hours < 17) | (hours > 18)))[0]
    before = days(part(samples, (hours < 7) | ((hours > 8) & (hours < 13))))[0]

    assert missing(after) == ["gap", None, None], "what came before the gap still holds"
    assert missing(before) == [None, "no_anchor", None], "of two anchors with a gap in between"
    assert before["soc_ledger_ratio"] == pytest.approx(0.98, abs=0.03)


def test_an_anchor_comes_once_a_rest() -> None:
    still = rows(Pack(start=0.12, plan=((0, 0.0),)), days=0.5)
    state = BatteryState()
    fold_battery(state, [PACKS, part(still, slice(0, 120))])
    first = state.cells.packs["1"].cold.charge.anchor

    fold_battery(state, [part(still, slice(120, None))])

    charge = state.cells.packs["1"].cold.charge
    assert first is not None
    assert charge.anchor == first
    assert first.time - MIDNIGHT <= 45 * MINUTE
    assert charge.capacity is None
