"""The health of one battery system: messages in, days and findings out."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from stream_app.core.battery import Battery, SystemSamples
from stream_app.core.calendar import SiteCalendar, calendar
from stream_app.core.charge.anchors import SocRows, rated_by_soh, rests
from stream_app.core.charge.ledger import advance, rated_charge
from stream_app.core.charge.rules import HealthRules, rules_of
from stream_app.core.energy import Bools, Ints, cut_at
from stream_app.core.health import columns, days
from stream_app.core.health.columns import (
    ACTIVE_MS,
    CURRENT,
    HIGHEST,
    LOWEST,
    MEDIAN_HIGHEST,
    MEDIAN_LOWEST,
    PACK_SPREAD,
    REST_SPREAD,
    SOC,
    SOH,
    SPREAD,
)
from stream_app.core.health.cycles import count, totals
from stream_app.core.health.extremes import drop_extremes, fold_extremes, judged_extremes
from stream_app.core.health.flags import drop_flags, flags_of, fold_flags
from stream_app.core.health.plausible import Pace, believed
from stream_app.core.health.result import Change, HealthDay, SystemOutputs
from stream_app.core.health.signals import columns_of, forget_known, portions, told_apart
from stream_app.core.health.soc import SocChange, audit, reconfigure
from stream_app.core.health.state import DayFacts, Present, SystemState, place_of
from stream_app.core.health.windows import (
    SignalWindows,
    fold_windows,
    preview_windows,
    windows_of_rows,
)
from stream_app.core.messages import EndOfData, Heartbeat, Refusal
from stream_app.core.rows import NONE, Rows, Signal, batches, take, take_until, whole
from stream_app.core.slots import SLOT, add, integrated

SystemMessage = Battery | SystemSamples | Heartbeat | EndOfData
MOST_VALUES = 2_000_000
"""Rows times signals that are folded at a time: one may come alone, and has places for all."""


def fold_system(state: SystemState, messages: Sequence[SystemMessage]) -> SystemOutputs:
    """Fold messages of one battery system, in order, into ``state``.

    Consecutive samples are folded as one batch, which is only faster.
    """
    found: list[SystemOutputs] = []
    for batch in batches(messages, SystemSamples):
        first = batch[0][1]
        reason = refusal(state, first)
        if reason:
            refused = tuple(Refusal(place, reason) for place, _ in batch)
            found.append(SystemOutputs(state.past.battery, refusals=refused))
        elif isinstance(first, Battery):
            found.append(_configured(state, first))
        elif isinstance(first, SystemSamples):
            samples = [each for _, each in batch if isinstance(each, SystemSamples)]
            found.append(_fold_samples(state, samples))
        elif isinstance(first, EndOfData):
            found.append(_end(state, first.time))
        else:
            found.append(_heard(state, first.time))
    return _joined(state.past.battery, found)


def refusal(state: SystemState, message: SystemMessage) -> str | None:
    """Why a message cannot be folded, with the remedy; None if it can."""
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


def _configured(state: SystemState, battery: Battery) -> SystemOutputs:
    """Take a battery's record; rows that wait keep the values of its signals."""
    present, columns_now = state.present, columns_of(battery)
    before = columns_now if state.past.battery is None else columns_of(state.past.battery)
    judged = judged_extremes(state.past.battery), judged_extremes(battery)
    state.past.battery = battery
    if before != columns_now:
        for row in present.clock.aside:
            known = dict(zip(before, row, strict=True))
            row[:] = [known.get(each, NONE) for each in columns_now]
    forget_known(present.unknown, battery)
    now = present.clock.clock.now or 0
    ended: list[Change] = [
        *drop_flags(present.flags, flags_of(battery), now),
        *reconfigure(present.soc, rules_of(battery), rated_charge(battery), now),
        *drop_extremes(present.limits, *judged, now),
    ]
    return SystemOutputs(battery, changes=tuple(ended))


def _joined(battery: Battery | None, parts: Sequence[SystemOutputs]) -> SystemOutputs:
    return SystemOutputs(
        battery,
        tuple(day for part in parts for day in part.days),
        tuple(windows for part in parts for windows in part.windows),
        tuple(change for part in parts for change in part.changes),
        tuple(row for part in parts for row in part.late),
        tuple(refusal for part in parts for refusal in part.refusals),
        sum(part.rows for part in parts),
    )


def _fold_samples(state: SystemState, samples: Sequence[SystemSamples]) -> SystemOutputs:
    battery = state.past.battery
    assert battery is not None
    every = columns_of(battery)
    found = []
    for portion in portions(samples, MOST_VALUES // len(every)):
        rows = whole(every, list(told_apart(portion, battery, state.present.unknown)))
        before = state.present.clock.clock.now
        taken, late = take(state.present.clock, rows, battery.rules.skew_ms)
        part = _fold_rows(state, taken, before)
        found.append(replace(part, late=tuple(late), rows=rows.times.size))
    return _joined(battery, found)


def _heard(state: SystemState, time: int) -> SystemOutputs:
    battery, present = state.past.battery, state.present
    assert battery is not None
    told = present.stale.heard(present.clock.clock, time, battery.rules.stale_signals_ms)
    return SystemOutputs(battery, changes=tuple(told))


def _end(state: SystemState, time: int) -> SystemOutputs:
    battery = state.past.battery
    assert battery is not None
    before, zone = state.present.clock.clock.now, calendar(battery.zone)
    taken, late, until = take_until(state.present.clock, time, battery.rules.skew_ms)
    if until is None:
        return SystemOutputs(battery)
    found = replace(_fold_rows(state, taken, before), late=tuple(late))
    standing = SystemOutputs(
        battery,
        tuple(days.preview(state, zone, rules_of(battery))),
        tuple(preview_windows(state.present.slot, state.past.signals, zone)),
    )
    return _joined(battery, [found, standing, _heard(state, until)])


def _fold_rows(state: SystemState, rows: Rows, before: int | None) -> SystemOutputs:
    """Fold rows, strictly rising after ``before``, local day by local day."""
    battery = state.past.battery
    assert battery is not None
    if not rows.times.size:
        return SystemOutputs(battery)
    found: list[HealthDay] = []
    changes: list[Change] = []
    zone, rules = calendar(battery.zone), rules_of(battery)
    every = columns_of(battery)
    named = set(flags_of(battery))
    flags = [place for place, each in enumerate(every) if each.name in named]
    silences = state.present.stale.rows(before, rows.times, battery.rules.stale_signals_ms)
    if state.past.began is None:
        state.past.began = int(rows.times[0])
    edges = zone.edges("1d", int(rows.times[0]), int(rows.times[-1]))
    bounds = np.searchsorted(rows.times, edges).tolist()
    for place, (first, last) in enumerate(pairwise(bounds)):
        if first < last:
            day = _day(state.present, int(edges[place]), int(edges[place + 1]))
            part = rows.between(first, last)
            marked = part.values[:, flags]
            ignored = part.values[:, -1]
            day.ignored += int(ignored[ignored != NONE].sum())
            part = Rows(part.times, part.values[:, :REST_SPREAD])
            news: list[Change] = [
                *(each for row, each in silences if first <= row < last),
                *_Stretch(state.present, battery, rules, zone, part).fold(day),
                *fold_flags(
                    state.present.flags, [every[place] for place in flags], part.times, marked
                ),
                *fold_extremes(state.present.limits, battery, part),
            ]
            changes += sorted(news, key=lambda change: change.time)
            now = int(part.times[-1])
            found += days.complete(state, zone, rules, now, battery.rules.longest_gap_ms)
    windows = _windows(state, zone, every, rows)
    return SystemOutputs(battery, tuple(found), tuple(windows), tuple(changes))


def _windows(
    state: SystemState, zone: SiteCalendar, every: Sequence[Signal], rows: Rows
) -> list[SignalWindows]:
    fresh = windows_of_rows(zone, every[:-1], rows.times, rows.values[:, :-1])
    now = int(rows.times[-1])
    found, state.present.slot = fold_windows(
        state.present.slot, state.past.signals, zone, fresh, now
    )
    return found


def _day(present: Present, start: int, end: int) -> DayFacts:
    """The newest day; a new one begins with the cycles that were before it."""
    if not present.days or present.days[-1].start < start:
        before = totals(present.cycles)
        present.days.append(DayFacts(start, end, before=before, totals=before))
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
        known, self.refused = rows.known()
        self.rows = Rows(rows.times, columns.filled(known.values))
        self.gaps_ms = columns.gaps(battery.rules)
        self.shown = self.rows.values[:, SOC].copy()
        self._doubt()
        first, last = int(rows.times[0]), int(rows.times[-1])
        self.edges = zone.edges(SLOT, first - int(self.gaps_ms.max()), last)

    def fold(self, day: DayFacts) -> list[SocChange]:
        """Fold all rows."""
        newest = self.present.samples[CURRENT]
        places, times, current = self.rows.of(CURRENT)
        if newest is not None:
            times, current = np.append(newest[0], times), np.append(newest[1], current)
        resting = self._rest(day, places, times, current)
        capacity = rated_charge(self.battery)
        rated = rated_by_soh(self.present.soc, self.rows.values[:, SOH], capacity)
        pieces = self._integrate()
        changes = []
        if places.size:
            counters = advance(self.present.ledger, times, pieces, self._gap(CURRENT))
            changes = self._audit(day, places, counters[:, -places.size :], resting, rated)
        self._facts(day)
        return changes

    def _rest(self, day: DayFacts, places: Ints, times: Ints, current: Ints) -> Ints:
        """When the rest began in which each row with a current lies, else NONE."""
        if not places.size:
            return places
        rules, values = self.battery.rules, self.rows.values
        limit = round(rules.rest_a * 1000)
        resting = rests(self.present.soc, times, current, limit, self._gap(CURRENT))[-places.size :]
        since = self.rows.times[places] - rules.rest_ms
        rested = places[(resting != NONE) & (resting <= since)]
        day.rested |= rested.size > 0
        rested = rested[self._on_the_plateau()[rested]]
        values[rested, REST_SPREAD] = columns.first_of(values[rested], PACK_SPREAD, SPREAD)
        return resting

    def _doubt(self) -> None:
        """Leave out a SOC that cannot be true."""
        pace = Pace(self.rules.jump, self.rules.an_hour, self._gap(SOC))
        places, times, soc = self.rows.of(SOC)
        doubted = places[~believed(self.present.seen, times, soc, pace)]
        self.rows.values[doubted, SOC] = NONE

    def _on_the_plateau(self) -> Bools:
        """Rows whose SOC is where cells of the same charge hardly differ in voltage."""
        soc, curve = self.rows.values[:, SOC], self.rules.curve
        if curve is None or curve.plateau is None:
            return np.ones(soc.size, dtype=np.bool_)
        found: Bools = (soc >= curve.plateau[0]) & (soc <= curve.plateau[1])
        return found

    def _gap(self, *signals: int) -> int:
        """Longest known time [ms] between rows with values of these signals."""
        return int(self.gaps_ms[list(signals)].max())

    def _integrate(self) -> tuple[Ints, Ints]:
        """Add what lies between samples to the slots; gives the integral of the current."""
        signals, times, values = self._series()
        joined = (signals[1:] == signals[:-1]) & (np.diff(times) <= self.gaps_ms[signals[1:]])
        first = np.flatnonzero(joined)
        signals, unit = signals[first], columns.UNIT[signals[first]]
        begin, level = times[first], values[first]
        ends = values[first + 1] * unit
        cut, owner = cut_at(begin, times[first + 1], level * unit, ends, self.edges)
        signals, level = signals[owner], level[owner]
        flows = columns.UNIT[signals] > 0
        rows = integrated(cut.where(flows))
        starts, which = cut.start[flows], signals[flows]
        held = ~flows
        is_current = which == CURRENT
        pieces = starts[is_current], rows[:, is_current]
        entries = (
            columns.integral_entries(which, starts, rows),
            columns.dwell_entries(signals[held], cut.start[held], cut.length[held], level[held]),
            self._active(*pieces),
        )
        add(self.present.slots, self.edges, columns.summed(self.edges, entries))
        return pieces

    def _active(self, starts: Ints, rows: Ints) -> columns.Entries:
        length, out, into, _ = rows
        limit = round(self.battery.rules.rest_a * 1000)
        active = np.where(out + into > limit * length, length, 0)
        return np.full(starts.size, ACTIVE_MS), starts, active

    def _series(self) -> tuple[Ints, Ints, Ints]:
        """Signal, time and value of all samples, signal by signal, the newest before them first."""
        wanted = self.rows.values[:, columns.SUMMED].T
        which, places = np.nonzero(wanted != NONE)
        before = [(s, *kept) for s, kept in enumerate(self.present.samples) if kept is not None]
        known = np.array(before, dtype=np.int64).reshape(-1, 3)
        signals = np.concatenate([known[:, 0], columns.SUMMED[which]])
        order = np.argsort(signals, kind="stable")
        signals = signals[order]
        times = np.concatenate([known[:, 1], self.rows.times[places]])[order]
        values = np.concatenate([known[:, 2], wanted[which, places]])[order]
        for at in np.flatnonzero(np.diff(signals, append=-1)).tolist():
            self.present.samples[int(signals[at])] = int(times[at]), int(values[at])
        return signals, times, values

    def _audit(
        self, day: DayFacts, places: Ints, counters: Ints, resting: Ints, rated: Ints
    ) -> list[SocChange]:
        values, rest_ms = self.rows.values, self.battery.rules.rest_ms
        both = self.shown[places] != NONE
        if not both.any():
            return []
        at = places[both]
        charge = counters[:, both]
        rows = SocRows(
            times=self.rows.times[at],
            soc=self.shown[at],
            believed=values[at, SOC] != NONE,
            counters=charge,
            resting=resting[both],
            rated=rated[at],
            low=columns.first_of(values[at], MEDIAN_LOWEST, LOWEST),
            high=columns.first_of(values[at], MEDIAN_HIGHEST, HIGHEST),
        )
        gap_ms = self._gap(CURRENT, SOC)
        found, changes, wrong = audit(self.present.soc, rows, self.rules, rest_ms, gap_ms)
        day.wrong = day.wrong if day.wrong == "soc_jump" else wrong or day.wrong
        good = np.flatnonzero(rows.believed)
        day.audit = found.told(rows, int(good[-1])) if good.size else day.audit
        return changes

    def _facts(self, day: DayFacts) -> None:
        present = self.present
        _, times, soc = self.rows.of(SOC)
        _, _, soh = self.rows.of(SOH)
        if soc.size:
            for cycle in count(present.cycles, soc, self.rules.turning):
                place = place_of(cycle.low, cycle.high)
                day.cycles[place] = day.cycles.get(place, 0) + 1
            first = day.soc[::2] if day.soc else [int(times[0]), int(soc[0])]
            day.soc = [first[0], int(times[-1]), first[1], int(soc[-1])]
        day.soh = int(soh[-1]) if soh.size else day.soh
        self._count(day)
        day.totals = totals(present.cycles)
        day.rows += self.rows.times.size
        day.last = int(self.rows.times[-1])
        day.anchored, day.capacity = present.soc.anchor is not None, present.soc.capacity

    def _count(self, day: DayFacts) -> None:
        """Which signals came, and which values are no values."""
        known = self.rows.values != NONE
        for place in np.flatnonzero(known.any(axis=0)).tolist():
            day.came |= 1 << place
        for place in np.flatnonzero(self.refused).tolist():
            day.refused[place] = day.refused.get(place, 0) + int(self.refused[place])
        day.refused = dict(sorted(day.refused.items()))
        day.doubted += int(((self.shown != NONE) & ~known[:, SOC]).sum())
