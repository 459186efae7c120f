"""A meter: energy from its power and from its counters, day by day, and whether both agree."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from typing import Literal

import numpy as np

from stream_app.core import counters
from stream_app.core.battery import MeterPoint, MeterSamples
from stream_app.core.calendar import SiteCalendar, calendar
from stream_app.core.counters import Counter, Step
from stream_app.core.daily import LocalDay, Reading, Why, later, numbered
from stream_app.core.energy import W_MS_PER_KWH, Ints
from stream_app.core.messages import EndOfData, Heartbeat, Refusal
from stream_app.core.rows import LateRow, RowClock, Rows, Signal, take, take_until, whole
from stream_app.core.slots import BOUND, IN, KNOWN, OUT, Slots, add, close, held, integral, summed
from stream_app.core.windows import Contribution

DAY = "1d"
W_MS_PER_WH = 3_600_000
POWER, POWER_FACTOR = range(2)
COUNTERS = ("import", "export", "total")
SIGNALS = (
    Signal("power_w", 1e3, -1e10, 1e10),
    Signal("power_factor", 1e6, -1.0, 1.0),
    *(Signal(f"{name}_wh", W_MS_PER_WH, 0.0, 1e12) for name in COUNTERS),
)
"""mW, ppm, W ms."""

POWER_COLUMNS, FACTOR_COLUMNS = slice(0, 4), slice(4, 6)
"""Integral of the power; time and sum of power factor times time."""
ENERGY, COVERED, UNPLACED, RESETS, GLITCHES = range(5)
"""Columns of a counter: energy of the day [W ms], the time that it spans [ms], energy of which no
day can be told [W ms], resets, glitches."""
COUNTER_COLUMNS = 5
WIDTH = FACTOR_COLUMNS.stop + COUNTER_COLUMNS * len(COUNTERS)

FLOWS = {"import": IN, "export": OUT}
"""Rows of the power integral that a counter is compared with."""
METER_ERROR = 0.01
"""Error of the power integral and the counter together, as a ratio: two meters of class 0.5."""
LEAST_COVERAGE = 0.98
"""Part of the day that power and counter must both know to be compared."""

Verdict = Literal["agrees", "differs"]
MeterMessage = MeterPoint | MeterSamples | Heartbeat | EndOfData


@dataclass
class MeterFacts:
    """Numbers of rows and refused values of a day, and the digit of each counter by then [W ms]."""

    start: int
    end: int
    rows: int = 0
    refused: int = 0
    digits: dict[str, int] = field(default_factory=dict)


@dataclass
class MeterState:
    """What is remembered of a meter.

    Attributes
    ----------
    samples
        Newest value of power and power factor: (time, value).
    sums, days
        Column sums and facts of the local days that are not complete.
    published
        Days that an end of data gave as they stood.
    """

    point: MeterPoint | None = None
    clock: RowClock = field(default_factory=RowClock)
    samples: list[tuple[int, int] | None] = field(default_factory=lambda: [None, None])
    counters: dict[str, Counter] = field(default_factory=dict)
    sums: Slots = field(default_factory=Slots)
    days: list[MeterFacts] = field(default_factory=list)
    published: "dict[int, MeterDay]" = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MeterDay(LocalDay):
    """Energy of a meter on a local day; ``verdicts``: whether power and counter agree."""

    verdicts: Mapping[str, Verdict]


@dataclass(frozen=True)
class MeterOutputs:
    """What a fold gave; ``refusals`` are places in its batch."""

    point: MeterPoint | None
    days: tuple[MeterDay, ...] = ()
    late: tuple[LateRow, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    rows: int = 0


def fold_meter(state: MeterState, messages: Sequence[MeterMessage]) -> MeterOutputs:
    """Fold messages of one meter, in order, into ``state``."""
    days: list[MeterDay] = []
    late: list[LateRow] = []
    refusals: list[Refusal] = []
    rows = 0
    for batch in _batches(messages):
        first = batch[0][1]
        reason = _refusal(state, first)
        if reason:
            refusals += [Refusal(place, reason) for place, _ in batch]
        elif isinstance(first, MeterPoint):
            state.point = first
        elif isinstance(first, MeterSamples):
            samples = [each for _, each in batch if isinstance(each, MeterSamples)]
            rows += sum(each.times.size for each in samples)
            _fold_samples(state, samples, days, late)
        elif isinstance(first, EndOfData):
            _end(state, first.time, days, late)
    return MeterOutputs(state.point, tuple(days), tuple(late), tuple(refusals), rows)


def _batches(messages: Sequence[MeterMessage]) -> Iterator[list[tuple[int, MeterMessage]]]:
    def kind(numbered: tuple[int, MeterMessage]) -> int:
        place, message = numbered
        return -1 if isinstance(message, MeterSamples) else place

    for _, batch in groupby(enumerate(messages), key=kind):
        yield list(batch)


def _refusal(state: MeterState, message: MeterMessage) -> str | None:
    point = state.point
    if point is None:
        known = isinstance(message, MeterPoint)
        return None if known else "no meter is known here: publish its record before its samples"
    if isinstance(message, MeterPoint) and message.zone != point.zone and state.days:
        return (
            f"the days of this meter are those of {point.zone}, and some are open: "
            f"it cannot move to {message.zone}"
        )
    return None


def _fold_samples(
    state: MeterState, samples: Sequence[MeterSamples], days: list[MeterDay], late: list[LateRow]
) -> None:
    assert state.point is not None
    rows = whole(SIGNALS, [(each.times, each.values) for each in samples])
    taken, refused = take(state.clock, rows, state.point.skew_ms)
    late += refused
    days += _fold_rows(state, state.point, taken)


def _end(state: MeterState, time: int, days: list[MeterDay], late: list[LateRow]) -> None:
    assert state.point is not None
    taken, refused, until = take_until(state.clock, time, state.point.skew_ms)
    late += refused
    days += _fold_rows(state, state.point, taken)
    if until is not None:
        days += _preview(state, state.point)


def _fold_rows(state: MeterState, point: MeterPoint, rows: Rows) -> list[MeterDay]:
    """Fold rows, strictly rising, local day by local day."""
    found: list[MeterDay] = []
    if not rows.times.size:
        return found
    zone = calendar(point.zone)
    edges = zone.edges(DAY, int(rows.times[0]), int(rows.times[-1]))
    bounds = np.searchsorted(rows.times, edges).tolist()
    for place, (first, last) in enumerate(pairwise(bounds)):
        if first < last:
            part, refused = rows.between(first, last).known()
            facts = _facts(state, int(edges[place]), int(edges[place + 1]))
            facts.rows += last - first
            facts.refused += int(refused.sum())
            _fold_day(state, point, zone, facts, part)
            found += _complete(state, zone, int(part.times[-1]) - point.max_gap_ms)
    return found


def _facts(state: MeterState, start: int, end: int) -> MeterFacts:
    if not state.days or state.days[-1].start < start:
        state.days.append(MeterFacts(start, end))
    return state.days[-1]


def _fold_day(
    state: MeterState, point: MeterPoint, zone: SiteCalendar, facts: MeterFacts, rows: Rows
) -> None:
    gap = point.max_gap_ms
    edges = zone.edges(DAY, int(rows.times[0]) - gap, int(rows.times[-1]))
    found: list[Contribution] = []
    times, power = _series(state, rows, POWER)
    if times.size > 1:
        found.append((*integral(times, power / 1000, edges, gap), POWER_COLUMNS))
    times, factor = _series(state, rows, POWER_FACTOR)
    if times.size > 1:
        starts, lengths, level = held(times, factor, edges, gap)
        found.append((starts, np.stack([lengths, lengths * level]), FACTOR_COLUMNS))
    for place, name in enumerate(COUNTERS):
        _, times, values = rows.of(2 + place)
        counter = state.counters.setdefault(name, Counter())
        found += _counted(counters.read(counter, times, values), point, zone, place)
        facts.digits[name] = counter.digit
    add(state.sums, edges, summed(edges, found, WIDTH))


def _series(state: MeterState, rows: Rows, column: int) -> tuple[Ints, Ints]:
    """Times and values of a signal after its newest sample so far."""
    _, times, values = rows.of(column)
    before = state.samples[column]
    if times.size:
        state.samples[column] = int(times[-1]), int(values[-1])
    if before is not None and times.size:
        times, values = np.append(before[0], times), np.append(before[1], values)
    return times, values


def _counted(
    steps: Sequence[Step], point: MeterPoint, zone: SiteCalendar, place: int
) -> list[Contribution]:
    """What counter steps add to the days."""
    rows = [row for step in steps for row in _rows(step, point, zone)]
    if not rows:
        return []
    times, values = zip(*sorted(rows, key=lambda row: row[0]), strict=True)
    first = FACTOR_COLUMNS.stop + place * COUNTER_COLUMNS
    columns = slice(first, first + COUNTER_COLUMNS)
    return [(np.array(times, dtype=np.int64), np.array(values, dtype=np.int64).T, columns)]


def _rows(step: Step, point: MeterPoint, zone: SiteCalendar) -> Iterator[tuple[int, list[int]]]:
    """Time and columns of a step; its energy is spread evenly over a known interval."""
    if step.kind != "energy":
        yield step.shown, [0, 0, 0, step.kind == "reset", step.kind == "glitch"]
        return
    edges = zone.edges(DAY, step.since, step.until - 1).tolist()
    known = len(edges) == 2 or step.until - step.since <= point.max_gap_ms
    if not known:
        yield step.shown, [0, 0, step.energy, 0, 0]
        return
    left, length = step.energy, step.until - step.since
    for start, end in pairwise(edges):
        begin, stop = max(start, step.since), min(end, step.until)
        part = left if stop == step.until else step.energy * (stop - begin) // length
        left -= part
        if end + point.max_gap_ms <= step.shown:
            yield step.shown, [0, 0, part, 0, 0]
        else:
            yield begin, [part, stop - begin, 0, 0, 0]


def _complete(state: MeterState, zone: SiteCalendar, until: int) -> list[MeterDay]:
    """Results of the days that end at or before ``until``, which nothing can change any more."""
    closed = close(state.sums, zone, DAY, until, WIDTH)
    sums = dict(zip(closed.starts.tolist(), closed.sums.T.tolist(), strict=True))
    done = [day for day in _with_rowless(state, zone, sums) if day.end <= until]
    state.days = [day for day in state.days if day.end > until]
    found = []
    for day in done:
        result = _result(zone, day, sums.get(day.start, [0] * WIDTH))
        news = numbered(state.published, result)
        state.published = later(state.published, day.start)
        found += [] if news is None else [news]
    return found


def _with_rowless(
    state: MeterState, zone: SiteCalendar, sums: Mapping[int, object]
) -> list[MeterFacts]:
    """The open days, and those of which only what lies between rows of others is known."""
    rowless = sorted(set(sums) - {day.start for day in state.days})
    known = [MeterFacts(start, int(zone.edges(DAY, start, start)[-1])) for start in rowless]
    return sorted([*state.days, *known], key=lambda day: day.start)


def _preview(state: MeterState, point: MeterPoint) -> list[MeterDay]:
    """Results of all other days as they stand; they stay open."""
    zone = calendar(point.zone)
    sums = Slots({start: list(each) for start, each in state.sums.open.items()})
    found: list[Contribution] = []
    for place, name in enumerate(COUNTERS):
        step = counters.standing(state.counters.get(name, Counter()))
        found += _counted([] if step is None else [step], point, zone, place)
    for contribution in found:
        edges = zone.edges(DAY, int(contribution[0][0]), int(contribution[0][-1]))
        add(sums, edges, summed(edges, [contribution], WIDTH))
    news = []
    for day in _with_rowless(state, zone, sums.open):
        result = replace(_result(zone, day, sums.open.get(day.start, [0] * WIDTH)), final=False)
        revised = numbered(state.published, result)
        if revised is not None:
            state.published[day.start] = revised
            news.append(revised)
    return news


def _result(zone: SiteCalendar, day: MeterFacts, sums: list[int]) -> MeterDay:
    values: dict[str, float] = {}
    missing: dict[str, Why] = {}
    for names, told in _readings(day, sums):
        if isinstance(told, str):
            missing.update(dict.fromkeys(names, told))
        else:
            values.update(zip(names, told, strict=True))
    return MeterDay(
        date=zone.local_date(day.start).isoformat(),
        start=day.start,
        end=day.end,
        rows=day.rows,
        values=values,
        missing=missing,
        verdicts={name: _verdict(values, name) for name in _compared(values)},
    )


_OF_COUNTER = ("counter_kwh", "counter_coverage_ratio", "unplaced_kwh", "resets", "glitches")
_OF_DIFFERENCE = ("difference_kwh", "difference_bound_kwh")
READINGS = (
    "power_coverage_ratio",
    "refused_values",
    *("import_kwh", "export_kwh", "bound_kwh"),
    "power_factor_mean",
    *(f"{name}_{each}" for name in COUNTERS for each in _OF_COUNTER),
    *(f"{name}_{each}" for name in FLOWS for each in _OF_DIFFERENCE),
)
"""Names of all that is told of a day; the unit is at the end, or it is a number."""


def _readings(day: MeterFacts, sums: list[int]) -> Iterator[tuple[tuple[str, ...], Reading]]:
    length, power = day.end - day.start, sums[POWER_COLUMNS]
    yield ("power_coverage_ratio",), (power[KNOWN] / length,)
    yield ("refused_values",), (float(day.refused),)
    yield ("import_kwh", "export_kwh", "bound_kwh"), _integrated(power)
    yield ("power_factor_mean",), _power_factor(sums[FACTOR_COLUMNS])
    for place, name in enumerate(COUNTERS):
        first = FACTOR_COLUMNS.stop + place * COUNTER_COLUMNS
        counter = sums[first : first + COUNTER_COLUMNS]
        yield tuple(f"{name}_{each}" for each in _OF_COUNTER), _counter(counter, length)
        if name in FLOWS:
            integrated, digit = power[FLOWS[name]], day.digits.get(name, 0)
            told = _reconciled(integrated, power, counter, digit, length)
            yield tuple(f"{name}_{each}" for each in _OF_DIFFERENCE), told


def _compared(values: Mapping[str, float]) -> list[str]:
    return [name for name in FLOWS if f"{name}_difference_kwh" in values]


def _verdict(values: Mapping[str, float], name: str) -> Verdict:
    difference = abs(values[f"{name}_difference_kwh"])
    return "agrees" if difference <= values[f"{name}_difference_bound_kwh"] else "differs"


def _integrated(power: list[int]) -> Reading:
    if not power[KNOWN]:
        return "missing_signal"
    return power[IN] / W_MS_PER_KWH, power[OUT] / W_MS_PER_KWH, power[BOUND] / W_MS_PER_KWH


def _power_factor(sums: list[int]) -> Reading:
    known, total = sums
    return (total / known / 1e6,) if known else "missing_signal"


def _counter(sums: list[int], length: int) -> Reading:
    energy, covered, unplaced, resets, glitches = sums
    if not any(sums):
        return "missing_signal"
    coverage = covered / length
    kwh = energy / W_MS_PER_KWH, coverage, unplaced / W_MS_PER_KWH
    return *kwh, float(resets), float(glitches)


def _reconciled(
    integrated: int, power: list[int], counter: list[int], digit: int, length: int
) -> Reading:
    """Integral less counter [kWh], and how much both may differ.

    That is the error of sampling and of both meters, a digit of the counter at both ends
    of the day, and the part of the day that either does not know.
    """
    if not power[KNOWN] or not counter[COVERED]:
        return "missing_signal"
    if min(power[KNOWN], counter[COVERED]) < LEAST_COVERAGE * length:
        return "gap"
    unknown = 2 - (power[KNOWN] + counter[COVERED]) / length
    larger = max(integrated, counter[ENERGY])
    bound = power[BOUND] + (METER_ERROR + unknown) * larger + 2 * digit
    return (integrated - counter[ENERGY]) / W_MS_PER_KWH, bound / W_MS_PER_KWH
