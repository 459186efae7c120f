"""The flow of a battery's cells, spelled out once: messages in, windows and findings out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from stream_app.core.battery import Battery, CellSamples
from stream_app.core.calendar import calendar
from stream_app.core.cells.messages import CellOutputs, CellsMessage, LateCells
from stream_app.core.cells.pack import PackState, flush, fold_rows, preview, publish, width
from stream_app.core.cells.quantities import (
    MA_PER_A,
    MDEG_PER_DEG,
    MISSING,
    PPM,
    UV_PER_V,
    whole,
)
from stream_app.core.cells.rows import AdmittedRows, Rows, admit_rows, settle_rows
from stream_app.core.clock import DAY_MS, witnessed
from stream_app.core.messages import EndOfData, Refusal

MOST_PACKS = 256
"""Packs that a battery ever had; each has windows of its own."""


@dataclass
class CellsState:
    """Everything remembered of the cells of one battery; ``packs`` also has those it once had."""

    battery: Battery | None = None
    packs: dict[str, PackState] = field(default_factory=dict)


def fold_cells(state: CellsState, messages: Sequence[CellsMessage]) -> CellOutputs:
    """Fold messages of one battery, in order, into ``state``.

    All rows of a pack between two other messages are folded as one matrix, which is only faster:
    packs know nothing of one another.
    """
    outputs = CellOutputs()
    for is_cells, group in groupby(enumerate(messages), lambda each: type(each[1]) is CellSamples):
        if is_cells:
            outputs.extend(_fold_samples(state, list(group)))
            continue
        for place, message in group:
            if isinstance(message, Battery):
                _configure(state, message, place, outputs)
            elif isinstance(message, EndOfData):
                outputs.extend(_end(state, message.time))
    return outputs


def _configure(state: CellsState, battery: Battery, place: int, outputs: CellOutputs) -> None:
    reason = objection(state, battery)
    if reason is not None:
        outputs.refusals.append(Refusal(place, reason))
        return
    state.battery = battery
    for name, cells in battery.packs.items():
        if name not in state.packs:
            state.packs[name] = PackState(cells)


def objection(state: CellsState, battery: Battery) -> str | None:
    """Why a battery cannot follow the one that is known, with the remedy; None if it can."""
    old = state.battery
    if old is None:
        return None
    if old.zone != battery.zone:
        return (
            f"the battery changes the zone {old.zone}, in whose days its cells are counted: "
            "use another system name"
        )
    for name, cells in battery.packs.items():
        known = state.packs.get(name)
        if known is not None and known.cells != cells:
            return (
                f"pack {name} has {cells} cells, but {known.cells} are counted: "
                "use another pack name"
            )
    every = {*state.packs, *battery.packs}
    if len(every) > MOST_PACKS:
        return f"the battery has had {len(every)} packs; at most {MOST_PACKS}: use another system"
    return None


def _refusal(state: CellsState, samples: CellSamples) -> str | None:
    if state.battery is None:
        return "no battery is known under this key: publish it before its telemetry"
    if samples.pack not in state.battery.packs:
        known = ", ".join(state.battery.packs)
        return f"the battery has no pack {samples.pack}; it has {known}"
    cells = state.packs[samples.pack].cells
    for name, matrix in (("voltages", samples.voltage_v), ("temperatures", samples.temperature_c)):
        if matrix is not None and matrix.shape[1] != cells:
            return f"pack {samples.pack} has {cells} cells, not {matrix.shape[1]} {name} a row"
    return None


def _fold_samples(state: CellsState, messages: Sequence[tuple[int, CellsMessage]]) -> CellOutputs:
    outputs = CellOutputs()
    packs: dict[str, list[CellSamples]] = {}
    for place, samples in messages:
        assert isinstance(samples, CellSamples)
        reason = _refusal(state, samples)
        if reason is None:
            packs.setdefault(samples.pack, []).append(samples)
        else:
            outputs.refusals.append(Refusal(place, reason))
    for name, parts in packs.items():
        assert state.battery is not None
        each = state.packs[name]
        times = np.concatenate([part.times for part in parts])
        rows = np.concatenate([_rows(part, each.cells) for part in parts])
        admitted = admit_rows(each.hot.clock, times, rows, state.battery.rules.skew_ms)
        outputs.extend(_fold_pack(state, name, admitted))
    return outputs


def _rows(samples: CellSamples, cells: int) -> Rows:
    rows = np.full((samples.times.size, width(cells)), MISSING, dtype=np.int32)
    if samples.voltage_v is not None:
        rows[:, :cells] = whole(samples.voltage_v, UV_PER_V)
    if samples.temperature_c is not None:
        rows[:, cells : 2 * cells] = whole(samples.temperature_c, MDEG_PER_DEG)
    if samples.current_a is not None:
        rows[:, 2 * cells] = whole(samples.current_a, MA_PER_A)
    if samples.soc_ratio is not None:
        rows[:, 2 * cells + 1] = whole(samples.soc_ratio, PPM)
    return rows


def _fold_pack(state: CellsState, name: str, admitted: AdmittedRows) -> CellOutputs:
    assert state.battery is not None
    each, zone = state.packs[name], calendar(state.battery.zone)
    outputs = CellOutputs(late=_late(name, admitted), rows=admitted.times.size)
    if admitted.times.size:
        rules = state.battery.rules
        closed = fold_rows(each, zone, rules, admitted.times, admitted.values)
        outputs.windows += [publish(each, name, *windows) for windows in closed]
    return outputs


def _late(name: str, admitted: AdmittedRows) -> list[LateCells]:
    return [
        LateCells(name, np.array([row.time for row in rows], dtype=np.int64), reason)
        for reason, rows in groupby(admitted.late, key=lambda row: row.reason)
    ]


def _end(state: CellsState, time: int) -> CellOutputs:
    """Take in what waits and publish open windows as they stand; both stay open."""
    outputs = CellOutputs()
    if state.battery is None:
        return outputs
    span = max(DAY_MS, state.battery.rules.skew_ms)
    clocks = [state.packs[name].hot.clock.clock for name in state.battery.packs]
    times = (witnessed(clock, time, span) for clock in clocks)
    newest = max((each for each in times if each is not None), default=None)
    if newest is None:
        return outputs
    until = min(time, newest + span)
    for name in state.battery.packs:
        each = state.packs[name]
        admitted = settle_rows(each.hot.clock, until - 1, width(each.cells))
        outputs.extend(_fold_pack(state, name, admitted))
        flush(each, calendar(state.battery.zone), state.battery.rules)
        outputs.windows += preview(each, name, calendar(state.battery.zone))
    return outputs
