"""The event clock of one DC input: which samples are folded, set aside or too late.

The clock is the newest accepted event time. Nothing here looks at a wall clock, so a replayed year
and a live second are judged alike, and one wrong timestamp moves no clock: neither a running one,
nor one that has yet to start.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from stream_app.core.calendar import DAY_MS
from stream_app.core.energy import Bools, Floats, Ints

QUARANTINE_LIMIT = 32
"""Samples held aside for one input before the oldest is given up as too late."""
HEARTBEAT_LIMIT_MS = 7 * DAY_MS
"""A heartbeat further ahead of all that was heard of its key is refused."""
START_SPAN_MS = DAY_MS
"""What was held so little before the sample that starts the clock belongs to the same data."""

Sample = tuple[int, float]
Arrival = tuple[int, float, int]


@dataclass
class Clock:
    """Event clock of one input. Times in ms UTC.

    Attributes
    ----------
    now
        Newest accepted time, None before two samples agreed on one.
    settled
        No sample at or before this time will be folded any more.
    ahead
        Samples set aside, in order of arrival: (time, power). Their time is far ahead of ``now``,
        or there is no ``now`` yet that they could be judged against.
    """

    now: int | None = None
    settled: int | None = None
    ahead: list[Sample] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether an end of data came after the newest sample."""
        now, settled = self.now, self.settled
        return now is not None and settled is not None and settled > now

    def copy(self) -> "Clock":
        """The clock as it is now."""
        return replace(self, ahead=list(self.ahead))


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples in order of arrival: time [ms UTC], power [W], row of the batch; each (n,)."""

    times: Ints
    power: Floats
    rows: Ints

    def between(self, first: int, last: int) -> "Samples":
        """Samples ``first`` to before ``last``."""
        part = slice(first, last)
        return Samples(self.times[part], self.power[part], self.rows[part])

    @classmethod
    def of(cls, arrivals: Sequence[Arrival]) -> "Samples":
        """Samples from (time, power, row) each."""
        times, power, rows = zip(*arrivals, strict=True) if arrivals else ((), (), ())
        return cls(
            np.array(times, dtype=np.int64),
            np.array(power, dtype=np.float64),
            np.array(rows, dtype=np.int64),
        )

    @classmethod
    def joined(cls, parts: Sequence["Samples"]) -> "Samples":
        """The samples of all parts, one part after the other."""
        return cls(
            np.concatenate([part.times for part in parts]),
            np.concatenate([part.power for part in parts]),
            np.concatenate([part.rows for part in parts]),
        )

    def where(self, mask: Bools) -> "Samples":
        """Those samples that the mask selects."""
        return Samples(self.times[mask], self.power[mask], self.rows[mask])


@dataclass(frozen=True, eq=False)
class Admitted:
    """What a batch came to: accepted and too late samples, and the rows where the skew changed.

    ``skew`` holds (row, time): the time of the sample set aside, or None when none is any more.
    """

    taken: Samples
    late: Samples
    skew: Sequence[tuple[int, int | None]] = ()

    @classmethod
    def joined(cls, parts: Sequence["Admitted"]) -> "Admitted":
        """What consecutive batches came to, as one."""
        return cls(
            Samples.joined([part.taken for part in parts]),
            Samples.joined([part.late for part in parts]),
            [change for part in parts for change in part.skew],
        )


def admit(clock: Clock, samples: Samples, lateness_ms: int, skew_ms: int) -> Admitted:
    """Advance ``clock`` over the samples of one input in order of arrival.

    A sample is too late when it is not after ``settled``: the newest time less the lateness.
    A sample more than ``skew_ms`` ahead is set aside; it is taken in when a second one follows it
    closely (the source really has moved on), or when the clock gets there. The first samples are
    set aside likewise, until two lie within ``skew_ms`` of each other: they start the clock.
    """
    parts: list[Admitted] = []
    if clock.now is None:
        first, begun = _Admission(clock, lateness_ms, skew_ms).start(samples)
        if begun == samples.times.size:
            return first
        parts, samples = [first], samples.between(begun, samples.times.size)
    assert clock.now is not None
    parts += [
        _admit_part(clock, part, lateness_ms, skew_ms)
        for part in _between_jumps(clock.now, samples, skew_ms)
    ]
    return parts[0] if len(parts) == 1 else Admitted.joined(parts)


def follow(clock: Clock, times: Ints, skew_ms: int) -> bool:
    """Advance ``clock`` over samples that come as they should, with no lateness allowed.

    That is what :func:`admit` would do, at a fraction of its time: all are taken.

    Returns
    -------
    False, and nothing is changed, where one is late or far ahead, or something is set aside.
    """
    now, settled = clock.now, clock.settled
    if now is None or clock.ahead or not times.size or (settled is not None and settled > now):
        return False
    if not 0 < int(times[0]) - now <= skew_ms:
        return False
    if times.size > 1:
        steps = times[1:] - times[:-1]
        if not (steps.min() > 0 and steps.max() <= skew_ms):
            return False
    clock.now = clock.settled = int(times[-1])
    return True


def reached(clock: Clock) -> int | None:
    """Newest accepted time; where no clock has started, the newest that is held."""
    return clock.now if clock.now is not None else max(clock.ahead, default=(None, 0.0))[0]


def witnessed(clock: Clock, until: int, span_ms: int) -> int | None:
    """Newest time [ms UTC] that speaks for an end of data at ``until``; None if nothing does.

    That is the clock's, or that of a sample held aside not more than ``span_ms`` before the end.
    """
    times = [time for time, _ in clock.ahead if until - span_ms <= time < until]
    return max([*times, *([] if clock.now is None else [clock.now])], default=None)


def settle(clock: Clock, until: int) -> tuple[list[Sample], list[Sample]]:
    """Declare that nothing at or before ``until`` is to come.

    Returns
    -------
    What was held till then, by time; and of that, where no clock had started, what contradicts the
    newest of it and is given up as too late.
    """
    due = sorted(sample for sample in clock.ahead if sample[0] <= until)
    clock.ahead = [sample for sample in clock.ahead if sample[0] > until]
    given_up: list[Sample] = []
    if clock.now is None and due:
        first = due[-1][0] - START_SPAN_MS
        given_up, due = [s for s in due if s[0] < first], [s for s in due if s[0] >= first]
    if due:
        clock.now = max(due[-1][0], clock.now or 0)
    clock.settled = until if clock.settled is None else max(clock.settled, until)
    return due, given_up


def _between_jumps(now: int, samples: Samples, skew_ms: int) -> list[Samples]:
    """Cut at the jumps ahead, so that only the two samples of a jump are judged one by one."""
    times = samples.times
    jumps = np.flatnonzero(np.diff(np.maximum.accumulate(np.append(now, times))) > skew_ms)
    if not jumps.size:
        return [samples]
    edges = np.unique(np.clip(np.concatenate(([0], jumps, jumps + 2, [times.size])), 0, times.size))
    return [samples.between(a, b) for a, b in pairwise(edges.tolist())]


def _admit_part(clock: Clock, samples: Samples, lateness_ms: int, skew_ms: int) -> Admitted:
    if not _is_steady(clock, samples.times, skew_ms):
        return _Admission(clock, lateness_ms, skew_ms).run(samples)
    admitted = _admit_steady(clock, samples, lateness_ms)
    if not clock.ahead or not samples.times.size:
        return admitted
    return replace(admitted, skew=[(int(samples.rows[0]), max(clock.ahead)[0])])


def _is_steady(clock: Clock, times: Ints, skew_ms: int) -> bool:
    """No sample is far ahead of those before it, and none passes what was set aside."""
    now, settled = clock.now, clock.settled
    assert now is not None
    if settled is not None and settled > now:
        # What is too late after an end of data must not bridge a jump of the samples after it.
        times = times[times > settled]
    newest = np.maximum.accumulate(np.append(now, times))
    rise = np.diff(newest).max(initial=0)
    return bool(rise <= skew_ms) and all(early > newest[-1] for early, _ in clock.ahead)


def _admit_steady(clock: Clock, samples: Samples, lateness_ms: int) -> Admitted:
    now, times = clock.now, samples.times
    assert now is not None
    if not times.size:
        return Admitted(samples, samples)
    newest = np.maximum.accumulate(np.append(now, times))
    floor = newest[:-1] - lateness_ms
    late = times <= (floor if clock.settled is None else np.maximum(floor, clock.settled))
    if late.all():
        return Admitted(samples.where(~late), samples)
    clock.now = int(newest[-1])
    advance(clock, lateness_ms)
    if not late.any():
        return Admitted(samples, samples.where(late))
    return Admitted(samples.where(~late), samples.where(late))


def advance(clock: Clock, lateness_ms: int) -> None:
    """Settle what can come no more, by the clock and the lateness allowed."""
    if clock.now is None:
        return
    until = clock.now - lateness_ms
    clock.settled = until if clock.settled is None else max(clock.settled, until)


class _Admission:
    """One sample at a time, for a start or a jump ahead; the rule in its plain form."""

    def __init__(self, clock: Clock, lateness_ms: int, skew_ms: int) -> None:
        self.clock, self.lateness_ms, self.skew_ms = clock, lateness_ms, skew_ms
        self.taken: list[Arrival] = []
        self.late: list[Arrival] = []
        self.skew: list[tuple[int, int | None]] = []

    def run(self, samples: Samples) -> Admitted:
        for sample, row in _arrivals(samples):
            self._judge(sample, row)
        return self._admitted()

    def start(self, samples: Samples) -> tuple[Admitted, int]:
        """Judge samples until the clock has started; tells how many that took."""
        for place, (sample, row) in enumerate(_arrivals(samples)):
            self._judge(sample, row)
            if self.clock.now is not None:
                return self._admitted(), place + 1
        return self._admitted(), samples.times.size

    def _admitted(self) -> Admitted:
        return Admitted(Samples.of(self.taken), Samples.of(self.late), self.skew)

    def _judge(self, sample: Sample, row: int) -> None:
        if self.clock.now is None:
            self._unstarted(sample, row)
        elif self._is_ahead(sample[0]):
            self._far_ahead(sample, row)
        else:
            self._near(sample, row)

    def _unstarted(self, sample: Sample, row: int) -> None:
        settled, held = self.clock.settled, self.clock.ahead
        if settled is not None and sample[0] <= settled:
            self.late.append((*sample, row))
            return
        agrees = (early for early, _ in held if 0 < abs(sample[0] - early) <= self.skew_ms)
        start = next(agrees, None)
        if start is None:
            self._set_aside(sample, row)
            return
        since = start - START_SPAN_MS
        self.clock.ahead = []
        for early in sorted((e for e in held if since <= e[0] <= start), key=lambda e: e[0]):
            self._take(early, row)
        for other in (e for e in held if not since <= e[0] <= start):
            self._judge(other, row)
        self._judge(sample, row)

    def _is_ahead(self, time: int) -> bool:
        now, settled = self.clock.now, self.clock.settled
        if settled is not None and time <= settled:
            return False
        return now is not None and time - now > self.skew_ms

    def _near(self, sample: Sample, row: int) -> None:
        told = bool(self.clock.ahead)
        self._take_passed(sample[0], row)
        self._take(sample, row)
        if told:
            self._tell(row)

    def _far_ahead(self, sample: Sample, row: int) -> None:
        held = self.clock.ahead
        if any(0 < sample[0] - early <= self.skew_ms for early, _ in held):
            self._take_passed(sample[0], row)
            self._take(sample, row)
            self._tell(row)
            return
        self._set_aside(sample, row)

    def _set_aside(self, sample: Sample, row: int) -> None:
        held = self.clock.ahead
        held.append(sample)
        self.late.extend((*early, row) for early in held[:-QUARANTINE_LIMIT])
        del held[:-QUARANTINE_LIMIT]

    def _take_passed(self, time: int, row: int) -> None:
        """Take in what the clock is about to pass, before it does."""
        due = sorted(early for early in self.clock.ahead if early[0] < time)
        self.clock.ahead = [early for early in self.clock.ahead if early[0] >= time]
        for early in due:
            self._take(early, row)

    def _tell(self, row: int) -> None:
        held = self.clock.ahead
        self.skew.append((row, max(held)[0] if held else None))

    def _take(self, sample: Sample, row: int) -> None:
        clock = self.clock
        if clock.settled is not None and sample[0] <= clock.settled:
            self.late.append((*sample, row))
            return
        clock.now = sample[0] if clock.now is None else max(clock.now, sample[0])
        advance(clock, self.lateness_ms)
        self.taken.append((*sample, row))


def _arrivals(samples: Samples) -> Iterator[tuple[Sample, int]]:
    values = zip(samples.times.tolist(), samples.power.tolist(), strict=True)
    return zip(values, samples.rows.tolist(), strict=True)
