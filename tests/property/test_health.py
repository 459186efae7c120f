"""Health does not depend on how rows were cut into messages and messages into folds."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.codec.health import restore, snapshot
from stream_app.core.battery import Battery, BatteryRules, SystemSamples
from stream_app.core.health.state import SystemState
from stream_app.core.health.system import SystemMessage, SystemOutputs, fold_system
from stream_app.core.messages import EndOfData, Heartbeat
from tests.property.strategies import DAY, HOUR, MINUTE, NEAR_A_CLOCK_CHANGE_MS, ZONES, cuts

LEVELS = {
    "soc_ratio": (0.0, 0.003, 0.05, 0.2, 0.5, 0.51, 0.9, 1.0, np.nan, 7.0),
    "soh_ratio": (0.97, 0.96, np.nan),
    "voltage_v": (800.0, 810.5, 0.0, np.nan),
    "current_a": (0.0, 0.5, -0.5, 100.0, -250.0, np.nan),
    "dc_power_w": (0.0, 80_000.0, -90_000.0, np.nan),
    "ac_power_w": (100.0, 79_000.0, -91_000.0, np.inf),
    "cell_voltage_spread_v": (0.004, 0.03, np.nan),
    "cell_temperature_max_c": (-30.0, 24.9, 25.0, 46.0, np.nan),
    "cell_temperature_mean_c": (20.0, 31.0, np.nan),
    "something_else": (1.0,),
}
STEPS_MS = (
    *(MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR) * 4,
    *(1, 1000, 3 * HOUR, 7 * HOUR, DAY, 0, -MINUTE, -3 * HOUR, 5 * DAY, 400 * DAY),
)
batteries = st.builds(
    Battery,
    site=st.just("site"),
    system=st.just("b1"),
    zone=st.sampled_from(ZONES),
    packs=st.just({"1": 52}),
    rules=st.builds(
        BatteryRules,
        interval_ms=st.sampled_from((MINUTE, HOUR)),
        max_gap_ms=st.sampled_from((2 * MINUTE, 45 * MINUTE, 4 * HOUR)),
        skew_ms=st.sampled_from((HOUR, 6 * HOUR)),
        rest_ms=st.sampled_from((0, MINUTE, 30 * MINUTE)),
    ),
    chemistry=st.sampled_from(("lfp", "nmc", "other")),
    capacity_ah=st.sampled_from((None, 10.0, 280.0)),
    energy_wh=st.sampled_from((None, 40_000.0)),
    commissioned=st.sampled_from((None, "2024-01-01")),
)
Row = tuple[int, dict[str, float]]


@st.composite
def histories(draw: st.DrawFn) -> list[SystemMessage]:
    """A battery, rows one by one, and between them what else comes."""
    battery = draw(batteries)
    messages: list[SystemMessage] = [battery]
    time = NEAR_A_CLOCK_CHANGE_MS
    names = sorted(draw(st.sets(st.sampled_from(sorted(LEVELS)), min_size=3)))
    for step in draw(st.lists(st.sampled_from(STEPS_MS), min_size=1, max_size=40)):
        values = {name: np.array([draw(st.sampled_from(LEVELS[name]))]) for name in names}
        messages.append(SystemSamples(np.array([time + step]), values))
        time += step if step < DAY or draw(st.booleans()) else 0
        other = draw(st.sampled_from((None,) * 12 + ("end", "heartbeat", "change", "zone")))
        if other == "end":
            messages.append(EndOfData(time + draw(st.sampled_from((1, HOUR, -HOUR, 3 * DAY)))))
        elif other == "heartbeat":
            messages.append(Heartbeat(time))
        elif other == "change":
            messages.append(replace(battery, capacity_ah=100.0))
        elif other == "zone":
            messages.append(replace(battery, zone="Asia/Shanghai"))
    return messages


def blocked(messages: Sequence[SystemMessage]) -> list[SystemMessage]:
    """Neighbouring rows as one message."""
    merged: list[SystemMessage] = []
    for each in messages:
        before = merged[-1] if merged else None
        if isinstance(each, SystemSamples) and isinstance(before, SystemSamples):
            values = {n: np.append(before.values[n], each.values[n]) for n in each.values}
            merged[-1] = SystemSamples(np.append(before.times, each.times), values)
        else:
            merged.append(each)
    return merged


def folded(batches: Sequence[Sequence[SystemMessage]]) -> tuple[list[object], bytes]:
    """All results in order, and the state; it goes through bytes after each batch."""
    state, found = SystemState(), list[SystemOutputs]()
    for batch in batches:
        found.append(fold_system(state, batch))
        state = restore(SystemState, snapshot(state))
    results: list[object] = []
    for kind in ("days", "changes", "late"):
        results += [each for outputs in found for each in getattr(outputs, kind)]
    results.append(sum(outputs.rows for outputs in found))
    return results, snapshot(state)


@settings(deadline=None, max_examples=150)
@given(histories(), st.data())
def test_any_cut_gives_the_same_results_and_the_same_state(
    messages: list[SystemMessage], data: st.DataObject
) -> None:
    one_by_one = folded([[each] for each in messages])

    batches = [messages[part] for part in data.draw(cuts(len(messages)))]
    merged = [blocked(batch) for batch in batches]

    assert folded(batches) == one_by_one
    assert folded(merged) == one_by_one
    assert folded([blocked(messages)]) == one_by_one
