"""Corrections: local days of a block that are long closed, brought in again from a better export.

The samples are folded by the same code into states of their own, the shadow of the block's. Windows
of the corrected days are published with revisions above all earlier ones; nothing else is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from stream_app.core import lateness
from stream_app.core.allocation import Allocation
from stream_app.core.calendar import SiteCalendar
from stream_app.core.clock import Samples
from stream_app.core.integrator import (
    DAY,
    LEDGER,
    LEDGER_ROWS,
    InputResult,
    InputSpec,
    InputState,
    tail_energy,
)
from stream_app.core.messages import CorrectionBegin, CorrectionEnd, PowerSamples
from stream_app.core.silence import LONG_SILENCE_MS
from stream_app.core.topology import PowerBlock
from stream_app.core.windows import OpenWindow, Run, WindowState, totals

REVISIONS = 1_000_000
"""The n-th correction of a block publishes this revision times n."""
MOST_DAYS = 366
"""Local days in one correction."""


@dataclass
class Correction:
    """A correction under way.

    Attributes
    ----------
    since, until
        First instant of its days, and first after them [ms UTC].
    revision
        Of the windows that it publishes.
    inputs
        States of the DC inputs that its samples named.
    """

    id: str
    since: int
    until: int
    revision: int
    inputs: dict[str, InputState] = field(default_factory=dict)


def refusal(
    begin: CorrectionBegin,
    current: Correction | None,
    calendar: SiteCalendar,
    inputs: Iterable[InputState],
    allocated: int,
) -> str | None:
    """Why a correction cannot begin.

    Parameters
    ----------
    inputs
        Those with energy.
    allocated
        When its enclosures or shares last changed [ms UTC].
    """
    since, until = begin.since, begin.until
    if current is not None and current.id != begin.id:
        return (
            f"correction {current.id} is under way, from {_day(calendar, current.since)} to before "
            f"{_day(calendar, current.until)}: run its command again to end it, then this one"
        )
    if not since < until or any(calendar.edges(DAY, t, t)[0] != t for t in (since, until)):
        return "a correction runs from the first instant of a local day to that of a later one"
    if calendar.edges(DAY, since, until - 1).size - 1 > MOST_DAYS:
        return f"a correction has at most {MOST_DAYS} days: bring them in one part after another"
    return _not_closed(until, calendar, inputs) or _of_others(since, calendar, allocated)


def _not_closed(until: int, calendar: SiteCalendar, inputs: Iterable[InputState]) -> str | None:
    days = [each.windows[DAY].open for each in inputs if DAY in each.windows]
    first_open = min((day.start for day in days if day is not None), default=None)
    if first_open is None:
        return "nothing is counted yet that could be corrected: replay without --correct"
    if until > first_open:
        return (
            f"a correction must end before the open day, {_day(calendar, first_open)}, "
            "which later data will close"
        )
    return None


def _of_others(since: int, calendar: SiteCalendar, allocated: int) -> str | None:
    if since >= allocated:
        return None
    return (
        f"the enclosures or shares of the block changed on {_day(calendar, allocated)}: "
        "a correction of earlier days would give their energy to the enclosures of today"
    )


def unknown(message: CorrectionEnd | PowerSamples, current: Correction | None) -> str | None:
    """Why a message belongs to no correction that is under way."""
    wanted = message.id if isinstance(message, CorrectionEnd) else message.correction
    if wanted is None or (current is not None and current.id == wanted):
        return None
    return f"no correction {wanted} is under way: it has not begun, or has ended"


def begun(begin: CorrectionBegin, count: int) -> Correction:
    """The ``count``-th correction of a block."""
    return Correction(begin.id, begin.since, begin.until, count * REVISIONS)


def shadow(correction: Correction, name: str, block: PowerBlock) -> InputState:
    """State of an input of the correction.

    A new one has its windows open from the first day on: what lies before is not summed.
    """
    if name not in correction.inputs:
        allocation = Allocation(dict(block.inputs[name]))
        width = LEDGER + LEDGER_ROWS * len(allocation.groups())
        windows = {
            resolution: WindowState(OpenWindow(correction.since, [0] * width))
            for resolution in dict.fromkeys((*block.rules.resolutions, DAY))
        }
        correction.inputs[name] = InputState(allocation=allocation, windows=windows)
    return correction.inputs[name]


def fold(
    correction: Correction, state: InputState, spec: InputSpec, samples: Samples
) -> InputResult:
    """Fold samples of one input; ``closed`` of the result holds windows of the days alone.

    Samples more than two days outside its days show nothing of them, and are passed over.
    """
    since, until = correction.since - LONG_SILENCE_MS, correction.until + LONG_SILENCE_MS
    near = samples.where((samples.times >= since) & (samples.times < until))
    result = lateness.step(state, _apart(correction, spec), near)
    return replace(result, closed=_published(correction, result.closed), transitions=[])


def end(correction: Correction, state: InputState, spec: InputSpec) -> InputResult:
    """Settle one input; windows to the end of the days are published even where they are empty."""
    spec = _apart(correction, spec)
    result = lateness.settle_until(state, spec, correction.until + LONG_SILENCE_MS)
    closed = _published(correction, result.closed)
    rest = _published(correction, _rest(state, spec, correction.until))
    joined = {each: Run.joined([closed[each], rest[each]]) for each in closed.keys() & rest.keys()}
    return replace(result, closed=closed | rest | joined, transitions=[])


def _day(calendar: SiteCalendar, instant: int) -> str:
    return calendar.local_date(instant).isoformat()


def _apart(correction: Correction, spec: InputSpec) -> InputSpec:
    """As it folds for the shadow: nothing is revised, and no window of the days is left out."""
    rules = replace(spec.rules, correction_ms=0)
    return replace(spec, rules=rules, told=correction.until - 1)


def _rest(state: InputState, spec: InputSpec, until: int) -> dict[str, Run]:
    tail = [] if state.last is None else [tail_energy(state.last, spec)[0]]
    runs = {}
    for name, window in state.windows.items():
        if window.open is not None and window.open.start < until:
            edges = spec.calendar.edges(name, window.open.start, until - 1)
            sums = totals(window, edges, tail)
            runs[name] = Run(edges[:-1], edges[1:], sums, np.ones_like(edges[:-1]))
    return runs


def _published(correction: Correction, runs: Mapping[str, Run]) -> dict[str, Run]:
    return {name: _renumbered(correction, run) for name, run in runs.items()}


def _renumbered(correction: Correction, run: Run) -> Run:
    inside = run.where(run.ends <= correction.until)
    return replace(inside, revisions=np.full_like(inside.starts, correction.revision))
