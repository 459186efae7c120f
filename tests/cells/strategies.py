"""Rows of packs, as good and as bad as they come, and ways to cut them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from stream_app.codec.cells_state import restore_cells, snapshot_cells
from stream_app.core.battery import Battery, BatteryRules, CellSamples
from stream_app.core.cells.fold import CellsState, fold_cells
from stream_app.core.cells.messages import CellOutputs, CellsMessage
from stream_app.core.messages import EndOfData, Heartbeat

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NEAR_A_CLOCK_CHANGE_MS = 1743861000000
"""2025-04-05 13:50 UTC: ten minutes before midnight in Sydney, hours before it turns back."""
FAR = 41 * HOUR
COLUMNS = ("voltage_v", "temperature_c", "current_a", "soc_ratio")

steps_ms = st.one_of(
    st.sampled_from((1, 500, 1000, MINUTE, 5 * MINUTE, 15 * MINUTE, 0, -MINUTE)),
    st.integers(1, HOUR),
    st.sampled_from((5 * HOUR, 30 * HOUR, -2 * HOUR, FAR, 40 * DAY)),
)
volts = st.sampled_from((3.3, 3.301, 3.2995, 3.65, 2.4, 0.0, -0.0005, 65.535, np.nan))
degrees = st.sampled_from((25.0, 25.1, 29.0, 60.5, -20.0, np.nan))
amperes = st.sampled_from((0.0, 0.4, -140.0, 140.0, np.nan))
ratios = st.sampled_from((0.1, 0.5, 0.95, np.nan))


@st.composite
def batteries(draw: st.DrawFn) -> Battery:
    zone = draw(st.sampled_from(("Australia/Sydney", "Europe/Berlin", "Australia/Lord_Howe")))
    rules = BatteryRules(
        interval_ms=1000,
        max_gap_ms=draw(st.sampled_from((2000, 3 * MINUTE, HOUR))),
        skew_ms=draw(st.sampled_from((10 * MINUTE, 4 * HOUR))),
        rest_ms=draw(st.sampled_from((MINUTE, 30 * MINUTE))),
    )
    packs = draw(st.sampled_from(({"1": 5}, {"1": 4, "2": 1})))
    return Battery("station", "b1", zone, packs, rules)


@st.composite
def row(draw: st.DrawFn, pack: str, cells: int, time: int) -> CellSamples:
    """One row; mostly with all columns."""
    voltage = np.array([draw(st.lists(volts, min_size=cells, max_size=cells))])
    warmth = np.array([draw(st.lists(degrees, min_size=cells, max_size=cells))])
    whole = CellSamples(
        pack,
        np.array([time], dtype=np.int64),
        voltage,
        warmth,
        np.array([draw(amperes)]),
        np.array([draw(ratios)]),
    )
    return replace(whole, **{draw(st.sampled_from(COLUMNS)): None} if draw(st.booleans()) else {})


@st.composite
def histories(draw: st.DrawFn) -> list[CellsMessage]:
    """A battery, rows of its packs, heartbeats, ends of data, and other rules in between."""
    battery = draw(batteries())
    messages: list[CellsMessage] = [battery]
    newest = dict.fromkeys(battery.packs, NEAR_A_CLOCK_CHANGE_MS)
    for _ in range(draw(st.integers(1, 3))):
        for step in draw(st.lists(steps_ms, min_size=1, max_size=25)):
            pack = draw(st.sampled_from(sorted(battery.packs)))
            messages.append(draw(row(pack, battery.packs[pack], newest[pack] + step)))
            if step != FAR:
                newest[pack] += step
        time = max(newest.values()) + draw(st.sampled_from((-HOUR, 1, HOUR, 400 * DAY)))
        after: list[CellsMessage] = draw(
            st.sampled_from(([], [EndOfData(time)], [Heartbeat(time)], [other_rules(battery)]))
        )
        messages += after
    return messages


def other_rules(battery: Battery) -> Battery:
    """Another longest gap, and only the first pack."""
    packs = dict([*battery.packs.items()][:1])
    return replace(battery, packs=packs, rules=replace(battery.rules, max_gap_ms=7 * MINUTE))


@st.composite
def batchings(draw: st.DrawFn, messages: list[CellsMessage]) -> list[list[CellsMessage]]:
    """The same messages in other batches; neighbouring rows of a batch may become one record."""
    places = sorted(draw(st.sets(st.integers(1, max(1, len(messages) - 1)), max_size=8)))
    cuts = zip([0, *places], [*places, len(messages)], strict=True)
    batches = [messages[first:last] for first, last in cuts]
    return [blocked(batch) if draw(st.booleans()) else batch for batch in batches]


def blocked(messages: Sequence[CellsMessage]) -> list[CellsMessage]:
    """Neighbouring rows of one pack with the same columns as one message."""
    merged: list[CellsMessage] = []
    for message in messages:
        before = merged[-1] if merged else None
        if (
            isinstance(message, CellSamples)
            and isinstance(before, CellSamples)
            and present(message) == present(before)
            and message.pack == before.pack
        ):
            merged[-1] = CellSamples(
                message.pack,
                np.concatenate((before.times, message.times)),
                *(
                    np.concatenate((getattr(before, name), getattr(message, name)))
                    if getattr(message, name) is not None
                    else None
                    for name in COLUMNS
                ),
            )
        else:
            merged.append(message)
    return merged


def present(samples: CellSamples) -> list[str]:
    return [name for name in COLUMNS if getattr(samples, name) is not None]


def run(
    batches: Sequence[Sequence[CellsMessage]], *, restored: bool = False
) -> tuple[CellOutputs, bytes]:
    """Fold the batches; with ``restored`` the state goes through bytes after each."""
    state, outputs = CellsState(), CellOutputs()
    for batch in batches:
        outputs.extend(fold_cells(state, batch))
        if restored:
            state = restore_cells(snapshot_cells(state), CellsState)
    return outputs, snapshot_cells(state)


def unpacked(outputs: CellOutputs) -> list[tuple[object, ...]]:
    """All results as single windows and rows, sorted."""
    windows: list[tuple[object, ...]] = [
        (
            "window",
            one.pack,
            one.resolution,
            int(one.starts[0]),
            int(one.ends[0]),
            int(one.days[0]),
            int(one.revisions[0]),
            one.final,
            one.sums.cells.tolist(),
            one.sums.pack.tolist(),
            int(one.p1_mv[0]),
            int(one.p99_mv[0]),
            None if one.regimes is None else int(one.regimes[0]),
        )
        for each in outputs.windows
        for one in each
    ]
    late: list[tuple[object, ...]] = [
        ("late", each.pack, time, each.reason)
        for each in outputs.late
        for time in each.times.tolist()
    ]
    return sorted(windows + late, key=repr)


def tables(outputs: CellOutputs) -> list[object]:
    """Tables of critical cells by pack and day."""
    return sorted(outputs.critical, key=lambda table: (table.pack, table.start))
