"""Health and meters do not depend on how rows were cut into messages and messages into folds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.codec.health import restore, snapshot
from stream_app.core.battery import (
    Battery,
    BatteryRules,
    MeterPoint,
    MeterSamples,
    SystemSamples,
)
from stream_app.core.energy import Floats, Ints
from stream_app.core.health.result import HealthDay
from stream_app.core.health.state import SystemState
from stream_app.core.health.system import SystemMessage, fold_system
from stream_app.core.health.windows import SignalWindows
from stream_app.core.messages import EndOfData, Heartbeat
from stream_app.core.meters import MeterMessage, MeterState, fold_meter
from tests.property.strategies import DAY, HOUR, MINUTE, NEAR_A_CLOCK_CHANGE_MS, ZONES, cuts
from tests.unit.health.battery import ALL, BATTERY, Pack, kept

LEVELS = {
    "soc_ratio": (0.0, 0.003, 0.05, 0.2, 0.5, 0.51, 0.9, 1.0, np.nan, 7.0),
    "soh_ratio": (0.97, 0.96, np.nan),
    "voltage_v": (800.0, 810.5, 0.0, np.nan),
    "current_a": (0.0, 0.5, -0.5, 100.0, -250.0, np.nan),
    "dc_power_w": (0.0, 80_000.0, -90_000.0, np.nan),
    "ac_power_w": (100.0, 79_000.0, -91_000.0, np.inf),
    "cell_spread_v": (0.004, 0.03, np.nan),
    "cell_max_c": (-30.0, 24.9, 25.0, 46.0, np.nan),
    "cell_mean_c": (20.0, 31.0, np.nan),
    "cell_max_v": (3.3, 3.205, 3.2, 3.6, 3.46, 2.9, np.nan),
    "cell_min_v": (3.29, 3.2, 3.195, 3.45, 2.85, 0.0, np.nan),
    "pack_median_max_v": (3.2, 3.46, 2.9, np.nan, np.nan),
    "pack_median_min_v": (3.199, 3.195, 3.455, np.nan, np.nan),
    "pack_spread_v": (0.002, 0.1, np.nan),
    "something_else": (1.0, 0.0, np.nan),
    "another": (-0.0, 1e-9, -7.0, np.nan),
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
    efc_before=st.sampled_from((None, 100.0)),
    signals=st.sampled_from(({}, {"something_else": "flag"}, {"another": "max"})),
)
Message = SystemMessage | MeterMessage


METER_LEVELS = {
    "power_w": (0.0, 5e4, -8e4, 1e6, np.nan),
    "power_factor": (0.9, -0.5, 1.0, np.nan),
    "import_wh": (0.0, 0.5, 100.0, 2000.0, 3000.0, 1e6, np.nan),
    "export_wh": (7.0, 8.0, 9.0, 10.0, np.nan, -1.0),
    "total_wh": (1e9, 1e9 + 0.001, np.nan),
}
points = st.builds(
    MeterPoint,
    site=st.just("site"),
    meter=st.just("m1"),
    zone=st.sampled_from(ZONES),
    max_gap_ms=st.sampled_from((MINUTE, 45 * MINUTE, 30 * HOUR)),
    skew_ms=st.sampled_from((HOUR, 6 * HOUR)),
    signal_gaps_ms=st.sampled_from(({}, {"import_wh": 3 * HOUR}, {"power_w": MINUTE})),
    rating_w=st.sampled_from((None, 1e3, 1e5)),
)


@st.composite
def rows(
    draw: st.DrawFn,
    levels: Mapping[str, Sequence[float]],
    sample: Callable[[Ints, Mapping[str, Floats]], Message],
    changes: Mapping[str, Message],
) -> list[Message]:
    """Rows one by one, and between them what else comes."""
    messages: list[Message] = []
    time = NEAR_A_CLOCK_CHANGE_MS
    names = sorted({*levels} - draw(st.sets(st.sampled_from(sorted(levels)))))
    chance = np.random.default_rng(draw(st.integers(0, 10_000)))
    for step in draw(st.lists(st.sampled_from(STEPS_MS), min_size=15, max_size=70)):
        values = {name: chance.choice(levels[name], 1) for name in names}
        messages.append(sample(np.array([time + step]), values))
        time += step if step < DAY or draw(st.booleans()) else 0
        other = draw(st.sampled_from((None,) * 12 + ("end", "heartbeat", *changes)))
        if other == "end":
            messages.append(EndOfData(time + draw(st.sampled_from((1, HOUR, -HOUR, 3 * DAY)))))
        elif other == "heartbeat":
            messages.append(Heartbeat(time))
        elif other is not None:
            messages.append(changes[other])
    return messages


@st.composite
def batteries_with_rows(draw: st.DrawFn) -> list[Message]:
    battery = draw(batteries)
    changes: dict[str, Message] = {
        "rating": replace(battery, capacity_ah=100.0),
        "zone": replace(battery, zone="Asia/Shanghai"),
        "signals": replace(battery, signals={"another": "extremes", "something_else": "max"}),
    }
    return [battery, *draw(rows(LEVELS, SystemSamples, changes))]


@st.composite
def meters_with_rows(draw: st.DrawFn) -> list[Message]:
    point = draw(points)
    changes: dict[str, Message] = {"gap": replace(point, max_gap_ms=2 * HOUR)}
    return [point, *draw(rows(METER_LEVELS, MeterSamples, changes))]


def blocked(messages: Sequence[Message]) -> list[Message]:
    """Neighbouring rows as one message."""
    merged: list[Message] = []
    for each in messages:
        before = merged[-1] if merged else None
        if isinstance(each, SystemSamples | MeterSamples) and type(before) is type(each):
            values = {n: np.append(before.values[n], each.values[n]) for n in each.values}
            merged[-1] = type(each)(np.append(before.times, each.times), values)
        else:
            merged.append(each)
    return merged


def folded(
    kind: type[SystemState] | type[MeterState], batches: Sequence[Sequence[Message]]
) -> tuple[list[object], list[bytes]]:
    """All results in order, and the state after each batch, through whose bytes it goes."""
    fold: Any = fold_system if kind is SystemState else fold_meter
    data, found = [snapshot(kind())], []
    for batch in batches:
        state = restore(kind, data[-1])
        found.append(fold(state, batch))
        data.append(snapshot(state))
    results: list[object] = [sum(outputs.rows for outputs in found)]
    for name in ("days", "changes", "late"):
        results += [each for outputs in found for each in getattr(outputs, name, ())]
    windows = [each for outputs in found for each in getattr(outputs, "windows", ())]
    told = [each for some in windows for each in one_by_one(some)]
    return [*results, *sorted(told, key=lambda each: str(each[0]))], data


def one_by_one(found: SignalWindows) -> Iterator[tuple[object, ...]]:
    """Windows as they are published, whatever came with them in a run."""
    names, windows = found.windows.names, found.windows
    extremes = [found.extremes(place) for place in range(len(names))]
    for at in range(found.size):
        counts = windows.sums[:2, at].T.tolist()
        values = [(float(low[at]), float(high[at])) for low, high in extremes]
        came = [each for each in zip(names, counts, values, strict=True) if any(each[1])]
        times = int(windows.starts[at]), int(windows.ends[at]), int(windows.rows[at])
        yield found.resolution, *times, int(found.revisions[at]), found.final, repr(came)


def assert_same_in_any_parts(
    kind: type[SystemState] | type[MeterState], messages: list[Message], parts: list[slice]
) -> None:
    results, states = folded(kind, [[each] for each in messages])
    expected = results, [states[0], *(states[part.stop] for part in parts)]
    batches = [messages[part] for part in parts]

    assert folded(kind, batches) == expected
    assert folded(kind, [blocked(batch) for batch in batches]) == expected


@settings(max_examples=60)
@given(batteries_with_rows(), st.data())
def test_any_cut_of_a_battery_s_rows_gives_the_same_results_and_the_same_states(
    messages: list[Message], data: st.DataObject
) -> None:
    assert_same_in_any_parts(SystemState, messages, data.draw(cuts(len(messages))))


@settings(max_examples=60)
@given(meters_with_rows(), st.data())
def test_any_cut_of_a_meter_s_rows_gives_the_same_results_and_the_same_states(
    messages: list[Message], data: st.DataObject
) -> None:
    assert_same_in_any_parts(MeterState, messages, data.draw(cuts(len(messages))))


@settings(max_examples=8)
@given(st.lists(st.integers(1, 9 * 1440 - 1), max_size=12, unique=True))
def test_any_cut_of_a_regular_week_gives_the_same_results_and_the_same_state(
    places: list[int],
) -> None:
    week = Pack(capacity_ah=266.0, signals=ALL).samples(9)
    parts = np.split(np.arange(week.times.size), sorted(places))

    results, states = folded(SystemState, [[BATTERY], [week]])
    cut = folded(SystemState, [[BATTERY], *([kept(week, part)] for part in parts)])

    assert (cut[0], cut[1][-1]) == (results, states[-1])
    days = [each for each in results if isinstance(each, HealthDay)]
    assert all("rte_dc_30d_ratio" in day.values for day in days[6:])
