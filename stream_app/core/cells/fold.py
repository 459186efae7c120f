"""The flow of a battery's cells, spelled out once: messages in, windows and findings out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np

from stream_app.core.battery import Battery, BatteryRules, CellSamples
from stream_app.core.calendar import DAY_MS, calendar
from stream_app.core.cells.alarms import alarms
from stream_app.core.cells.anomalies import anomalies
from stream_app.core.cells.closing import close
from stream_app.core.cells.evaluability import evaluability
from stream_app.core.cells.features import FEATURES
from stream_app.core.cells.findings import CellFinding
from stream_app.core.cells.forest import AnomalyModel
from stream_app.core.cells.limits import limits_of
from stream_app.core.cells.messages import CellOutputs, CellsMessage, CellWindows, LateCells
from stream_app.core.cells.pack import (
    PackState,
    flush,
    fold_rows,
    preview,
    publish,
    width,
)
from stream_app.core.cells.quantities import (
    MA_PER_A,
    MDEG_PER_DEG,
    MISSING,
    PPM,
    UV_PER_V,
    Whole,
    whole,
)
from stream_app.core.cells.rows import AdmittedRows, Rows, admit_rows, settle_rows
from stream_app.core.cells.silences import end_silence, heard, silences
from stream_app.core.cells.story import Story
from stream_app.core.cells.windows import Windows
from stream_app.core.clock import witnessed
from stream_app.core.energy import Ints
from stream_app.core.messages import EndOfData, Heartbeat, Refusal
from stream_app.core.resolutions import DAY, SLOT

UNITS = {
    "voltage_v": UV_PER_V,
    "temperature_c": MDEG_PER_DEG,
    "current_a": MA_PER_A,
    "soc_ratio": PPM,
}
"""Columns of samples in the order of a row, and how many of its unit make theirs."""
Found = tuple[tuple[int, int], CellFinding]
"""Message and row that brought a finding about, and the finding."""
LONGEST_LIST = 100
"""Characters of a list in a reason."""
Parts = list[tuple[int, CellSamples]]
"""Records of one pack with their places among the messages."""
MOST_PACKS = 256
"""Packs that a battery ever had; each has windows of its own."""


@dataclass
class CellsState:
    """Everything remembered of the cells of one battery.

    ``packs`` also has those it once had; ``model`` judges windows that close from now on.
    """

    battery: Battery | None = None
    packs: dict[str, PackState] = field(default_factory=dict)
    model: AnomalyModel | None = None


def fold_cells(state: CellsState, messages: Sequence[CellsMessage]) -> CellOutputs:
    """Fold messages of one battery, in order, into ``state``.

    The signals of the system say nothing of its cells and are passed over.
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
                outputs.extend(_configure(state, message, place))
            elif isinstance(message, AnomalyModel):
                outputs.refusals += _learn(state, message, place)
            elif isinstance(message, EndOfData):
                outputs.extend(_end(state, message.time))
            elif isinstance(message, Heartbeat):
                outputs.extend(_heard(state, message.time))
    return outputs


def _configure(state: CellsState, battery: Battery, place: int) -> CellOutputs:
    """Take a new battery; what is open of packs that it leaves out is published as it stands.

    What stands of those ends, and so it does of all if the limits are others.
    """
    outputs = CellOutputs()
    reason = objection(state, battery)
    if reason is not None:
        outputs.refusals.append(Refusal(place, reason))
    if reason is not None or battery == state.battery:
        return outputs
    if state.battery is not None:
        rules, zone = state.battery.rules.of_cells, calendar(battery.zone)
        limits, others = limits_of(state.battery), limits_of(battery)
        for name in state.battery.packs:
            # What waits came under the old rules.
            flush(state.packs[name], zone, rules)
            gone = name not in battery.packs
            if gone:
                outputs.windows += preview(state.packs[name], name, zone)
            if limits is not None and (gone or limits != others):
                outputs.findings += close(state.packs[name], name)
            if gone:
                outputs.findings += end_silence(state.packs[name], name, rules)
    state.battery = battery
    for name, cells in battery.packs.items():
        state.packs.setdefault(name, PackState(cells))
    return outputs


def _learn(state: CellsState, model: AnomalyModel, place: int) -> list[Refusal]:
    """Take a model that fits the battery; gives why it does not."""
    reason = _unfit(state, model)
    if reason is not None:
        return [Refusal(place, reason)]
    state.model = model
    return []


def _unfit(state: CellsState, model: AnomalyModel) -> str | None:
    battery, again = state.battery, "train it anew with `bess anomalies train`"
    if battery is None:
        return "no battery is known under this key: publish it before its model"
    if model.features != FEATURES:
        return f"the model {model.version} has other features than this program: {again}"
    known = {name: len(usual) for name, usual in model.usual.items()}
    if known != dict(battery.packs):
        packs = (
            ", ".join(f"{name} with {n}" for name, n in each.items())[:LONGEST_LIST]
            for each in (known, battery.packs)
        )
        return "the model {} knows packs {}, the battery has {} cells: {}".format(
            model.version, *packs, again
        )
    return None


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
        return (
            f"the battery would have had {len(every)} packs; at most {MOST_PACKS} are read: "
            "use another system name"
        )
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
    packs: dict[str, Parts] = {}
    for place, samples in messages:
        assert isinstance(samples, CellSamples)
        reason = _refusal(state, samples)
        if reason is None:
            packs.setdefault(samples.pack, []).append((place, samples))
        else:
            outputs.refusals.append(Refusal(place, reason))
    found: list[Found] = []
    for name, parts, rows in _converted(state, packs):
        assert state.battery is not None
        each = state.packs[name]
        times, before = _joined([part.times for _, part in parts]), each.hot.clock.clock.now
        admitted = admit_rows(each.hot.clock, times, rows, state.battery.rules.skew_ms)
        result, findings = _fold_pack(state, name, admitted, before)
        outputs.extend(result)
        if findings:
            places = [(place, row) for place, part in parts for row in range(part.times.size)]
            arrived = admitted.arrived.tolist()
            found += [(places[arrived[row]], finding) for row, finding in findings]
    outputs.findings += [finding for _, finding in sorted(found, key=lambda each: each[0])]
    return outputs


def _converted(state: CellsState, packs: Mapping[str, Parts]) -> Iterator[tuple[str, Parts, Rows]]:
    """Whole numbers of the rows of each pack; neighbours of one size are converted together."""
    for cells, group in groupby(packs, key=lambda name: state.packs[name].cells):
        names = list(group)
        rows = _rows([part for name in names for _, part in packs[name]], cells)
        first = 0
        for name in names:
            last = first + sum(part.times.size for _, part in packs[name])
            yield name, packs[name], rows[first:last]
            first = last


def _rows(samples: Sequence[CellSamples], cells: int) -> Rows:
    """Whole numbers of all rows; records with the same columns are converted together."""
    parts = []
    for present, group in groupby(samples, key=_present):
        every = list(group)
        size = sum(each.times.size for each in every)
        rows = np.full((size, width(cells)), MISSING, dtype=np.int32)
        for name in present:
            columns, per_unit = _places(cells)[name]
            rows[:, columns] = whole(_joined([getattr(each, name) for each in every]), per_unit)
        parts.append(rows)
    joined: Rows = _joined(parts)
    return joined


def _present(samples: CellSamples) -> tuple[str, ...]:
    return tuple(name for name in UNITS if getattr(samples, name) is not None)


def _places(cells: int) -> dict[str, tuple[slice | int, int]]:
    """Columns of a row, and how many of the small unit make the unit, by name."""
    places = slice(0, cells), slice(cells, 2 * cells), 2 * cells, 2 * cells + 1
    return dict(zip(UNITS, zip(places, UNITS.values(), strict=True), strict=True))


def _joined(parts: Sequence[Any]) -> Any:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _fold_pack(
    state: CellsState, name: str, admitted: AdmittedRows, before: int | None
) -> tuple[CellOutputs, list[tuple[int, CellFinding]]]:
    """What rows of a pack came to; findings apart, each with the row that showed it."""
    battery, each = state.battery, state.packs[name]
    assert battery is not None
    outputs = CellOutputs(late=_late(name, admitted), rows=admitted.times.size)
    outputs.touched.add((name, "hot"))
    times, rows, warm = admitted.times, admitted.values, each.warm
    if not times.size:
        return outputs, []
    rules, story = battery.rules.of_cells, Story(name, each.cold.critical)
    story.alarms += _alarms(each, name, battery, times, rows)
    closed = fold_rows(each, calendar(battery.zone), rules, times, rows)
    if each.warm is not warm:
        outputs.touched.add((name, "warm"))
    if closed or story.alarms:
        outputs.touched.add((name, "cold"))
    for resolution, windows in closed:
        told = publish(each, name, resolution, windows)
        if resolution == SLOT:
            closing = np.searchsorted(times, windows.ends)
            told = _judged(state, story, windows, closing, told)
        elif resolution == DAY:
            story.closed(windows)
        outputs.windows.append(told)
    outputs.critical += story.told()
    findings = [*silences(each, name, rules, before, times), *story.findings]
    return outputs, sorted(findings, key=lambda found: found[0])


def _alarms(
    state: PackState, name: str, battery: Battery, times: Ints, rows: Rows
) -> list[tuple[int, CellFinding]]:
    limits, rules, cells = limits_of(battery), battery.rules.of_cells, state.cells
    if limits is None:
        return []
    volts, warmth = rows[:, :cells], rows[:, cells : 2 * cells]
    charging = _charging(rules, rows[:, 2 * cells])
    return alarms(state.hot.alarms, name, limits, rules.max_gap_ms, times, volts, warmth, charging)


def _charging(rules: BatteryRules, current: Whole) -> Ints:
    """1 where the string charges with more than at rest, 0 where not, MISSING where not known."""
    found = (current < -round(rules.rest_a * MA_PER_A)).astype(np.int64)
    found[current == MISSING] = MISSING
    return found


def _judged(
    state: CellsState, story: Story, slots: Windows, closing: Ints, told: CellWindows
) -> CellWindows:
    """Closed five-minute windows with what they show; ``closing`` (n,) are the rows that did it."""
    battery, model, cold = state.battery, state.model, state.packs[story.pack].cold
    assert battery is not None
    rules, limits = battery.rules.of_cells, limits_of(battery)
    regimes, past = None, None
    if limits is not None:
        found = anomalies(cold.anomalies, story.pack, limits, rules, slots, model)
        story.judged(found, limits, slots, closing)
        regimes, past = found.regimes, found.past
        cold.charge.take(slots, regimes, found.stuck, battery)
    cold.influence.take(slots.sums, slots.days)
    has_model = model is not None and story.pack in model.usual
    reasons = evaluability(slots.sums, rules.max_gap_ms, regimes, past, has_model=has_model)
    evaluable = cold.evaluable.take(reasons, slots.days)
    return replace(told, regimes=regimes, evaluable=evaluable)


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
        before = each.hot.clock.clock.now
        admitted = settle_rows(each.hot.clock, until - 1, width(each.cells))
        result, findings = _fold_pack(state, name, admitted, before)
        outputs.extend(result)
        outputs.findings += [finding for _, finding in findings]
        flush(each, calendar(state.battery.zone), state.battery.rules.of_cells)
        outputs.windows += preview(each, name, calendar(state.battery.zone))
    outputs.extend(_heard(state, until))
    return outputs


def _heard(state: CellsState, time: int) -> CellOutputs:
    """It is ``time``: packs without newer rows may have been silent for too long."""
    outputs = CellOutputs()
    if state.battery is None:
        return outputs
    for name in state.battery.packs:
        told = heard(state.packs[name], name, state.battery.rules.of_cells, time)
        if told:
            outputs.findings += told
            outputs.touched.add((name, "hot"))
    return outputs
