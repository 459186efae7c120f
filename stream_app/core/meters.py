"""A meter: energy from its power and from its counters, day by day, and whether both agree."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from stream_app.core import counters
from stream_app.core.battery import MeterPoint, MeterSamples
from stream_app.core.calendar import SiteCalendar, calendar
from stream_app.core.counters import Counter, Step
from stream_app.core.daily import later, numbered
from stream_app.core.energy import Ints
from stream_app.core.messages import EndOfData, Heartbeat, Refusal
from stream_app.core.meter_day import (
    COUNTER_COLUMNS,
    COUNTERS,
    FACTOR_COLUMNS,
    POWER,
    POWER_COLUMNS,
    POWER_FACTOR,
    SIGNALS,
    WIDTH,
    MeterDay,
    MeterFacts,
    result_of,
)
from stream_app.core.rows import NONE, LateRow, RowClock, Rows, batches, take, take_until, whole
from stream_app.core.slots import Slots, add, close, held, integral, summed
from stream_app.core.windows import Contribution

DAY = "1d"
OVERLOAD = 1.2
"""A meter may carry so many times its rating."""
OF_LARGEST = 10
"""Without a rating: it may carry so many times the largest power that it has shown."""
MeterMessage = MeterPoint | MeterSamples | Heartbeat | EndOfData


@dataclass
class MeterState:
    """What is remembered of a meter.

    Attributes
    ----------
    samples
        Newest value of power and power factor: (time, value).
    largest
        Largest power so far, either way [mW].
    sums, days
        Column sums and facts of the local days that are not complete.
    published
        Days that an end of data gave as they stood.
    newest
        The newest day that was told of.
    """

    point: MeterPoint | None = None
    clock: RowClock = field(default_factory=RowClock)
    samples: list[tuple[int, int] | None] = field(default_factory=lambda: [None, None])
    largest: int = 0
    counters: dict[str, Counter] = field(default_factory=dict)
    sums: Slots = field(default_factory=Slots)
    days: list[MeterFacts] = field(default_factory=list)
    published: dict[int, MeterDay] = field(default_factory=dict)
    newest: MeterDay | None = None


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
    for batch in batches(messages, MeterSamples):
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
    for day in days:
        if state.newest is None or state.newest.start <= day.start:
            state.newest = day
    return MeterOutputs(state.point, tuple(days), tuple(late), tuple(refusals), rows)


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
            found += _complete(state, zone, int(part.times[-1]) - point.longest_gap_ms)
    return found


def _facts(state: MeterState, start: int, end: int) -> MeterFacts:
    if not state.days or state.days[-1].start < start:
        state.days.append(MeterFacts(start, end))
    return state.days[-1]


def _fold_day(
    state: MeterState, point: MeterPoint, zone: SiteCalendar, facts: MeterFacts, rows: Rows
) -> None:
    edges = zone.edges(DAY, int(rows.times[0]) - point.longest_gap_ms, int(rows.times[-1]))
    found: list[Contribution] = []
    times, power = _series(state, rows, POWER)
    if times.size > 1:
        gap = point.gap_ms("power_w")
        found.append((*integral(times, power / 1000, edges, gap), POWER_COLUMNS))
    times, factor = _series(state, rows, POWER_FACTOR)
    if times.size > 1:
        starts, lengths, level = held(times, factor, edges, point.gap_ms("power_factor"))
        found.append((starts, np.stack([lengths, lengths * level]), FACTOR_COLUMNS))
    most_w = _most_w(state, point, rows)
    for place, name in enumerate(COUNTERS):
        places, times, values = rows.of(2 + place)
        counter = state.counters.setdefault(name, Counter())
        steps = counters.read(counter, times, values, most_w[places])
        found += _counted(steps, point, zone, place)
        facts.digits[name] = counter.digit
    add(state.sums, edges, summed(edges, found, WIDTH))


def _most_w(state: MeterState, point: MeterPoint, rows: Rows) -> Ints:
    """What the meter is known to carry by each row (n,) [W]."""
    power = rows.values[:, POWER]
    sizes = np.where(power == NONE, 0, np.abs(power))
    largest = np.maximum.accumulate(np.append(state.largest, sizes))[1:]
    state.largest = int(largest[-1])
    return _carried_w(point, largest)


def _carried_w(point: MeterPoint, largest: Ints) -> Ints:
    """By the rating, or by the largest power so far (n,) [mW]."""
    if point.rating_w is not None:
        return np.full(largest.size, round(OVERLOAD * point.rating_w), dtype=np.int64)
    return np.where(largest > 0, largest * OF_LARGEST // 1000 + 1, counters.MOST_W)


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
    gap_ms = point.gap_ms(f"{COUNTERS[place]}_wh")
    rows = [row for step in steps for row in _rows(step, point, gap_ms, zone)]
    if not rows:
        return []
    times, values = zip(*sorted(rows, key=lambda row: row[0]), strict=True)
    first = FACTOR_COLUMNS.stop + place * COUNTER_COLUMNS
    columns = slice(first, first + COUNTER_COLUMNS)
    return [(np.array(times, dtype=np.int64), np.array(values, dtype=np.int64).T, columns)]


def _rows(
    step: Step, point: MeterPoint, gap_ms: int, zone: SiteCalendar
) -> Iterator[tuple[int, list[int]]]:
    """Time and columns of a step; its energy is spread evenly over a known interval."""
    if step.kind != "energy":
        unplaced = step.energy if step.kind == "doubtful" else 0
        yield step.shown, [0, 0, unplaced, step.kind == "reset", step.kind == "glitch"]
        return
    edges = zone.edges(DAY, step.since, step.until - 1).tolist()
    known = len(edges) == 2 or step.until - step.since <= gap_ms
    if not known:
        yield step.shown, [0, 0, step.energy, 0, 0]
        return
    left, length = step.energy, step.until - step.since
    for start, end in pairwise(edges):
        begin, stop = max(start, step.since), min(end, step.until)
        part = left if stop == step.until else step.energy * (stop - begin) // length
        left -= part
        if end + point.longest_gap_ms <= step.shown:
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
        result = result_of(zone, day, sums.get(day.start, [0] * WIDTH))
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
    (most_w,) = _carried_w(point, np.array([state.largest])).tolist()
    for place, name in enumerate(COUNTERS):
        step = counters.standing(state.counters.get(name, Counter()), most_w)
        if step is not None:
            # A day that is complete by the rows of other signals stays so.
            step = step._replace(shown=max(step.shown, state.clock.clock.now or 0))
            found += _counted([step], point, zone, place)
    for contribution in found:
        edges = zone.edges(DAY, int(contribution[0][0]), int(contribution[0][-1]))
        add(sums, edges, summed(edges, [contribution], WIDTH))
    news = []
    for day in _with_rowless(state, zone, sums.open):
        result = replace(result_of(zone, day, sums.open.get(day.start, [0] * WIDTH)), final=False)
        revised = numbered(state.published, result)
        if revised is not None:
            state.published[day.start] = revised
            news.append(revised)
    return news
