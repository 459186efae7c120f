"""Complete slots become days, and complete days become results."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from stream_app.core.calendar import DAY_MS, SiteCalendar
from stream_app.core.charge.rules import HealthRules
from stream_app.core.daily import later, numbered
from stream_app.core.energy import Ints
from stream_app.core.health import columns
from stream_app.core.health.columns import AC_COLUMNS, CHARGE_COLUMNS, DC_COLUMNS, WIDTH
from stream_app.core.health.energies import ROLLING_DAYS
from stream_app.core.health.facts import Facts
from stream_app.core.health.indicators import TREND_DAYS, indicators
from stream_app.core.health.result import HealthDay
from stream_app.core.health.soh import band
from stream_app.core.health.state import (
    DayFacts,
    DayHistory,
    DaySums,
    Past,
    Peaks,
    Present,
    SystemState,
    ends_of,
)
from stream_app.core.slots import IN, KNOWN, OUT, SLOT, ClosedSlots, close

_DWELL_NAMES = ("soc_ratio", "cell_max_c", "cell_mean_c", "cell_spread_v")


def complete(
    state: SystemState, zone: SiteCalendar, rules: HealthRules, now: int, max_gap_ms: int
) -> list[HealthDay]:
    """Results of the days that the clock has passed by so much that nothing can change them."""
    _add_slots(state.past, zone, close(state.present.slots, zone, SLOT, now - max_gap_ms, WIDTH))
    until = now - max_gap_ms
    done = [day for day in _with_rowless(state.present, state.past, zone) if day.end <= until]
    found = [_final(state.past, zone, rules, day) for day in done]
    state.present.days = [day for day in state.present.days if day.end > until]
    return [day for day in found if day is not None]


def preview(state: SystemState, zone: SiteCalendar, rules: HealthRules) -> list[HealthDay]:
    """Results of all other days as they stand; they stay open."""
    present, past = state.present, state.past
    slots = present.slots.open.items()
    kept = {
        start: DaySums(list(d.sums), replace(d.peaks, powers=list(d.peaks.powers)))
        for start, d in past.days.items()
    }
    standing = replace(past, days=kept, history=list(past.history))
    starts = np.array([start for start, _ in slots], dtype=np.int64)
    sums = np.array([each for _, each in slots], dtype=np.int64).reshape(-1, WIDTH).T
    _add_slots(standing, zone, ClosedSlots(starts, sums))
    news = []
    for day in _with_rowless(present, standing, zone):
        until = min(day.end, present.clock.clock.now or day.end)
        result = _result(standing, zone, rules, day, until)
        found = numbered(past.published, replace(result, final=False))
        if found is not None:
            past.published[day.start] = past.newest = found
            news.append(found)
    return news


def _with_rowless(present: Present, past: Past, zone: SiteCalendar) -> list[DayFacts]:
    """The open days, and those of which only what lies between rows of others is known."""
    found = list(present.days)
    for start in sorted(set(past.days) - {day.start for day in found}):
        after = next((day for day in present.days if day.start > start), None)
        if after is not None:
            end = int(zone.edges("1d", start, start)[-1])
            found.append(DayFacts(start, end, before=after.before, totals=after.before))
    return sorted(found, key=lambda day: day.start)


def _add_slots(past: Past, zone: SiteCalendar, closed: ClosedSlots) -> None:
    if not closed.starts.size:
        return
    throughput = closed.sums[CHARGE_COLUMNS][OUT] + closed.sums[CHARGE_COLUMNS][IN]
    latest = _rolling(past, closed.starts, throughput)
    edges = zone.edges("1d", int(closed.starts[0]), int(closed.starts[-1]))
    owner = np.searchsorted(edges, closed.starts, side="right") - 1
    for place in np.unique(owner).tolist():
        mine = owner == place
        day = past.days.setdefault(int(edges[place]), DaySums([0] * WIDTH))
        total = closed.sums[:, mine].sum(axis=1)
        day.sums = (np.array(day.sums, dtype=np.int64) + total).tolist()
        _raise_peaks(day.peaks, closed.sums[:, mine], latest[mine])


def _raise_peaks(peaks: Peaks, sums: Ints, latest: Ints) -> None:
    net = sums[CHARGE_COLUMNS][OUT] - sums[CHARGE_COLUMNS][IN]
    peaks.out = max(peaks.out, int(net.max()))
    peaks.into = max(peaks.into, int(-net.min()))
    peaks.day = max(peaks.day, int(latest.max()))
    for side, (known, out, into, _) in enumerate((sums[DC_COLUMNS], sums[AC_COLUMNS])):
        power = (out + into) // np.maximum(known, 1)
        peaks.powers[side] = max(peaks.powers[side], int(power.max()))


def _rolling(past: Past, starts: Ints, throughput: Ints) -> Ints:
    """Charge both ways within the 24 h that end with each slot."""
    recent = [*past.recent, *zip(starts.tolist(), throughput.tolist(), strict=True)]
    times = np.array([start for start, _ in recent], dtype=np.int64)
    total = np.cumsum([0, *(each for _, each in recent)])
    first = np.searchsorted(times, times - DAY_MS, side="right")
    found: Ints = total[1:] - total[first]
    past.recent = [(t, each) for t, each in recent if t > recent[-1][0] - DAY_MS]
    return found[-starts.size :]


def _final(past: Past, zone: SiteCalendar, rules: HealthRules, day: DayFacts) -> HealthDay | None:
    result = _result(past, zone, rules, day, day.end)
    news = numbered(past.published, result)
    past.newest = news or replace(result, revision=past.published[day.start].revision)
    past.days = {start: each for start, each in past.days.items() if start > day.start}
    past.published = later(past.published, day.start)
    return news


def _result(
    past: Past, zone: SiteCalendar, rules: HealthRules, day: DayFacts, until: int
) -> HealthDay:
    """The result of a day up to a time, which ``past`` counts from then on."""
    assert past.battery is not None
    kept = past.days.get(day.start) or DaySums([0] * WIDTH)
    _remember(past, day, kept, until)
    facts = Facts(
        past.battery,
        rules,
        zone.local_date(day.start).isoformat(),
        day,
        kept.sums,
        kept.peaks,
        past,
    )
    values, missing = indicators(facts)
    estimated = values.get("soh_estimate_ratio")
    cycles = tuple((*ends_of(place), each) for place, each in sorted(day.cycles.items()))
    dwell = dict(_dwells(kept.sums))
    return HealthDay(
        date=facts.date,
        start=day.start,
        end=day.end,
        rows=day.rows,
        values=values,
        missing=missing,
        band=band(estimated * 100) if estimated is not None else None,
        cycles=cycles,
        dwell=dwell,
    )


def _remember(past: Past, day: DayFacts, kept: DaySums, until: int) -> None:
    sums = kept.sums
    energy = sums[DC_COLUMNS], sums[AC_COLUMNS]
    unknown = [until - day.start - each[KNOWN] for each in energy]
    unseen = [max(a, 0) * b for a, b in zip(unknown, kept.peaks.powers, strict=True)]
    past.history.append(DayHistory(day.start, day.end, *energy, day.soc, unseen, day.wrong))
    month, year = day.start - ROLLING_DAYS * DAY_MS, day.start - TREND_DAYS * DAY_MS
    past.history = [each for each in past.history if each.start > month]
    if day.soh is not None:
        past.soh = [*(each for each in past.soh if each[0] > year), (day.start, day.soh)]
    found = day.capacity
    if found is not None and (found.time, found.charge) not in past.capacities[-1:]:
        recent = (each for each in past.capacities if each[0] > year)
        past.capacities = [*recent, (found.time, found.charge)]
    before = past.lifetime or [0] * WIDTH
    past.lifetime = [a + b for a, b in zip(before, sums, strict=True)]


def _dwells(sums: list[int]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, dwell in zip(_DWELL_NAMES, columns.DWELLS, strict=True):
        found = sums[dwell.columns][:-1]
        if any(found):
            yield name, tuple(found)
