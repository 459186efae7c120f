"""The health of one battery system: messages in, days and findings out."""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

import numpy as np

from stream_app.core.battery import Battery, SystemSamples
from stream_app.core.calendar import SiteCalendar, calendar
from stream_app.core.energy import Ints
from stream_app.core.health import columns, days
from stream_app.core.health.columns import (
    AC,
    ACTIVE_MS,
    CHARGE_COLUMNS,
    CURRENT,
    DC,
    REST_SPREAD,
    SIGNALS,
    SOC,
    SOH,
    SPREAD,
    VOLTAGE,
    WIDTH,
)
from stream_app.core.health.cycles import count, doubled_depth
from stream_app.core.health.indicators import rated_charge
from stream_app.core.health.ledger import advance
from stream_app.core.health.result import HealthDay, SystemOutputs
from stream_app.core.health.rules import HealthRules, rules_of
from stream_app.core.health.soc import Audit, SocChange, SocRows, audit, rests
from stream_app.core.health.state import DayFacts, Present, SystemState
from stream_app.core.messages import EndOfData, Heartbeat, Refusal
from stream_app.core.rows import NONE, Rows, take, take_until, whole
from stream_app.core.slots import SLOT, add, held, integral
from stream_app.core.windows import Contribution

SystemMessage = Battery | SystemSamples | Heartbeat | EndOfData

MW_PER_UV_IN_MA = 1_000_000
"""1 mW at 1 uV would be this many mA."""


def fold_system(state: SystemState, messages: Sequence[SystemMessage]) -> SystemOutputs:
    """Fold messages of one battery system, in order, into ``state``.

    Consecutive samples are folded as one batch, which is only faster.
    """
    found: list[SystemOutputs] = []
    for batch in _batches(messages):
        first = batch[0][1]
        reason = _refusal(state, first)
        if reason:
            refused = tuple(Refusal(place, reason) for place, _ in batch)
            found.append(SystemOutputs(state.past.battery, refusals=refused))
        elif isinstance(first, Battery):
            state.past.battery = first
        elif isinstance(first, SystemSamples):
            samples = [each for _, each in batch if isinstance(each, SystemSamples)]
            found.append(_fold_samples(state, samples))
        elif isinstance(first, EndOfData):
            found.append(_end(state, first.time))
    return _joined(state.past.battery, found)


def _batches(messages: Sequence[SystemMessage]) -> Iterator[list[tuple[int, SystemMessage]]]:
    def kind(numbered: tuple[int, SystemMessage]) -> int:
        place, message = numbered
        return -1 if isinstance(message, SystemSamples) else place

    for _, batch in groupby(enumerate(messages), key=kind):
        yield list(batch)


def _refusal(state: SystemState, message: SystemMessage) -> str | None:
    battery = state.past.battery
    if battery is None:
        known = isinstance(message, Battery)
        return None if known else "no battery is known here: publish its record before its samples"
    if isinstance(message, Battery) and message.zone != battery.zone and state.present.days:
        return (
            f"the days of this battery are those of {battery.zone}, and some are open: "
            f"it cannot move to {message.zone}"
        )
    return None


def _joined(battery: Battery | None, parts: Sequence[SystemOutputs]) -> SystemOutputs:
    return SystemOutputs(
        battery,
        tuple(day for part in parts for day in part.days),
        tuple(change for part in parts for change in part.changes),
        tuple(row for part in parts for row in part.late),
        tuple(refusal for part in parts for refusal in part.refusals),
        sum(part.rows for part in parts),
    )


def _fold_samples(state: SystemState, samples: Sequence[SystemSamples]) -> SystemOutputs:
    battery = state.past.battery
    assert battery is not None
    rows = whole(SIGNALS, [(each.times, each.values) for each in samples])
    taken, late = take(state.present.clock, rows, battery.rules.skew_ms)
    found, changes = _fold_rows(state, taken)
    return SystemOutputs(battery, tuple(found), tuple(changes), tuple(late), (), rows.times.size)


def _end(state: SystemState, time: int) -> SystemOutputs:
    battery = state.past.battery
    assert battery is not None
    taken, late, until = take_until(state.present.clock, time, battery.rules.skew_ms)
    if until is None:
        return SystemOutputs(battery)
    found, changes = _fold_rows(state, taken)
    found += days.preview(state, calendar(battery.zone), rules_of(battery))
    return SystemOutputs(battery, tuple(found), tuple(changes), tuple(late))


def _fold_rows(state: SystemState, rows: Rows) -> tuple[list[HealthDay], list[SocChange]]:
    """Fold rows, strictly rising, local day by local day."""
    found: list[HealthDay] = []
    changes: list[SocChange] = []
    if not rows.times.size:
        return found, changes
    battery = state.past.battery
    assert battery is not None
    zone, rules = calendar(battery.zone), rules_of(battery)
    edges = zone.edges("1d", int(rows.times[0]), int(rows.times[-1]))
    bounds = np.searchsorted(rows.times, edges).tolist()
    for place, (first, last) in enumerate(pairwise(bounds)):
        if first < last:
            day = _day(state.present, int(edges[place]), int(edges[place + 1]))
            part = rows.between(first, last)
            changes += _Stretch(state.present, battery, rules, zone, part).fold(day)
            now = int(part.times[-1])
            found += days.complete(state, zone, rules, now, battery.rules.max_gap_ms)
    return found, changes


def _day(present: Present, start: int, end: int) -> DayFacts:
    """The newest day; a new one begins with the cycles that were before it."""
    if not present.days or present.days[-1].start < start:
        path = doubled_depth(present.cycles)
        present.days.append(DayFacts(start, end, path=(path, path)))
    return present.days[-1]


class _Stretch:
    """Rows of one local day, folded into what is remembered."""

    def __init__(
        self,
        present: Present,
        battery: Battery,
        rules: HealthRules,
        zone: SiteCalendar,
        rows: Rows,
    ) -> None:
        self.present, self.battery, self.rules = present, battery, rules
        self.rows = Rows(rows.times, _with_current(rows.values))
        self.max_gap_ms = battery.rules.max_gap_ms
        first, last = int(rows.times[0]), int(rows.times[-1])
        self.edges = zone.edges(SLOT, first - self.max_gap_ms, last)
        self.contributions: list[Contribution] = []

    def fold(self, day: DayFacts) -> list[SocChange]:
        """Fold all rows."""
        changes = self._charge(day)
        for signal, part in ((DC, columns.DC_COLUMNS), (AC, columns.AC_COLUMNS)):
            times, power, _ = self._series(signal)
            if times.size > 1:
                pieces = integral(times, power / 1000, self.edges, self.max_gap_ms)
                self.contributions.append((*pieces, part))
        for dwell in columns.DWELLS:
            times, values, _ = self._series(dwell.signal)
            if times.size > 1:
                starts, lengths, level = held(times, values, self.edges, self.max_gap_ms)
                self.contributions.append((starts, dwell.rows(lengths, level), dwell.columns))
        add(self.present.slots, self.edges, self.contributions, WIDTH)
        self._facts(day)
        return changes

    def _series(self, column: int) -> tuple[Ints, Ints, Ints]:
        """Times and values of a signal after its newest sample so far, and their rows."""
        places, times, values = self.rows.of(column)
        before = self.present.samples[column]
        if times.size:
            self.present.samples[column] = int(times[-1]), int(values[-1])
        if before is not None and times.size:
            times, values = np.append(before[0], times), np.append(before[1], values)
        return times, values, places

    def _charge(self, day: DayFacts) -> list[SocChange]:
        times, current, places = self._series(CURRENT)
        extended = np.full((self.rows.times.size, 1), NONE, dtype=np.int64)
        self.rows = Rows(self.rows.times, np.concatenate([self.rows.values, extended], axis=1))
        if not places.size:
            return []
        limit = round(self.battery.rules.rest_a * 1000)
        pieces = integral(times, current.astype(np.float64), self.edges, self.max_gap_ms)
        counters = advance(self.present.ledger, times, pieces, self.max_gap_ms)
        resting = rests(self.present.soc, times, current, limit, self.max_gap_ms)
        self._count_charge(pieces, limit)
        new = slice(times.size - places.size, None)
        return self._audit(day, places, counters[:, new], resting[new])

    def _count_charge(self, pieces: tuple[Ints, Ints], limit: int) -> None:
        starts, rows = pieces
        length, out, into, _ = rows
        active = np.where(out + into > limit * length, length, 0)
        self.contributions.append((starts, rows, CHARGE_COLUMNS))
        self.contributions.append((starts, active[np.newaxis], slice(ACTIVE_MS, ACTIVE_MS + 1)))

    def _audit(self, day: DayFacts, places: Ints, counters: Ints, resting: Ints) -> list[SocChange]:
        values, rest_ms = self.rows.values, self.battery.rules.rest_ms
        rested = places[(resting != NONE) & (self.rows.times[places] - resting >= rest_ms)]
        values[rested, REST_SPREAD] = values[rested, SPREAD]
        both = values[places, SOC] != NONE
        if not both.any():
            return []
        at = places[both]
        rows = SocRows(self.rows.times[at], values[at, SOC], counters[:, both], resting[both])
        rated = rated_charge(self.battery)
        found, changes = audit(self.present.soc, rows, self.rules, rated, rest_ms, self.max_gap_ms)
        day.audit = _newest(rows, found)
        return changes

    def _facts(self, day: DayFacts) -> None:
        present = self.present
        _, _, soc = self.rows.of(SOC)
        _, _, soh = self.rows.of(SOH)
        if soc.size:
            closed = count(present.cycles, soc, self.rules.turning)
            day.cycles += [(cycle.low, cycle.high) for cycle in closed]
            day.soc = _range(day.soc, soc)
        day.soh = int(soh[-1]) if soh.size else day.soh
        day.spread |= bool((self.rows.values[:, SPREAD] != NONE).any())
        day.path = day.path[0], doubled_depth(present.cycles)
        day.depths = present.cycles.closed, present.cycles.squares
        day.rows += self.rows.times.size
        day.last = int(self.rows.times[-1])
        day.anchored, day.capacity = present.soc.anchor is not None, present.soc.capacity


def _newest(rows: SocRows, found: Audit) -> list[int]:
    if not found.known[-1]:
        return []
    newest = rows.times, rows.soc, found.ledger, found.bound, found.anchored
    return [int(each[-1]) for each in newest]


def _range(before: list[int], soc: Ints) -> list[int]:
    low, high = int(soc.min()), int(soc.max())
    if not before:
        return [int(soc[0]), int(soc[-1]), low, high]
    return [before[0], int(soc[-1]), min(before[2], low), max(before[3], high)]


def _with_current(values: Ints) -> Ints:
    """Fill in the current [mA] from power [mW] and voltage [uV] where none came."""
    current, voltage, power = values[:, CURRENT], values[:, VOLTAGE], values[:, DC]
    wanted = (current == NONE) & (voltage != NONE) & (voltage != 0) & (power != NONE)
    if not wanted.any():
        return values
    filled = values.copy()
    ratio = power[wanted] / voltage[wanted] * MW_PER_UV_IN_MA
    filled[wanted, CURRENT] = np.rint(ratio).astype(np.int64)
    return filled
