"""The first rules: conditions over settled samples, as raises and clears in event time."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from stream_app.core.energy import Bools, Floats, Ints
from stream_app.core.topology import Rules

Rule = Literal["STALE_DATA", "GAP", "POWER_OUTSIDE_RATING", "CLOCK_SKEW", "FROZEN_VALUE"]
RULES: tuple[Rule, ...] = (
    "STALE_DATA",
    "GAP",
    "POWER_OUTSIDE_RATING",
    "CLOCK_SKEW",
    "FROZEN_VALUE",
)


@dataclass(frozen=True)
class Transition:
    """A condition of one input that began or ended.

    Attributes
    ----------
    rule, raised
        Which condition; True when it began.
    time
        Event time of the change [ms UTC].
    since
        When the condition began [ms UTC]; equals ``time`` for a raise.
    value, limit
        What was judged and against what, in the rule's unit: seconds, or W for the rating.
    cause
        Time of the sample that showed it [ms UTC]; orders the transitions of a block.
    """

    rule: Rule
    raised: bool
    time: int
    since: int
    value: float
    limit: float
    cause: int


@dataclass
class RuleState:
    """Conditions that stand, by rule, and the run of equal values for FROZEN_VALUE."""

    active: dict[str, int] = field(default_factory=dict)
    run_start: int | None = None
    run_value: float = 0.0


def gaps(times: Ints, max_gap_ms: int) -> list[Transition]:
    """A raise and a clear for each interval that is longer than ``max_gap_ms``."""
    found: list[Transition] = []
    for at in np.flatnonzero(np.diff(times) > max_gap_ms).tolist():
        begin, end = int(times[at]), int(times[at + 1])
        value, limit, began = (end - begin) / 1000, max_gap_ms / 1000, begin + max_gap_ms
        found.append(Transition("GAP", True, began, began, value, limit, end))
        found.append(Transition("GAP", False, end, began, value, limit, end))
    return found


def outside_rating(power: Floats, rules: Rules) -> Bools:
    """Which samples lie outside the rating, either sign."""
    if rules.rating_w is None:
        return np.zeros(power.size, dtype=np.bool_)
    outside: Bools = np.abs(power) > rules.rating_w
    return outside


def frozen(state: RuleState, times: Ints, power: Floats, frozen_ms: int) -> tuple[Bools, Floats]:
    """Which samples belong to a run of one non-zero value that has lasted ``frozen_ms``.

    Zero is an idle battery, not a frozen sensor.

    Returns
    -------
    The samples that do, and the age [s] of the run that each sample continues or ends.
    """
    changed = np.ones(power.size, dtype=np.bool_)
    changed[1:] = power[1:] != power[:-1]
    if state.run_start is not None:
        changed[0] = power[0] != state.run_value
    start = np.where(changed, times, np.int64(-1))
    if not changed[0]:
        start[0] = state.run_start
    start = np.maximum.accumulate(start)
    ended = np.concatenate(
        (start[:1] if state.run_start is None else [state.run_start], start[:-1])
    )
    state.run_start, state.run_value = int(start[-1]), float(power[-1])
    stuck: Bools = ((times - start) >= frozen_ms) & (power != 0.0)
    return stuck, (times - ended) / 1000


def edges(
    state: RuleState,
    rule: Rule,
    holds: Bools,
    times: Ints,
    values: Floats,
    limit: float,
) -> list[Transition]:
    """The changes of a condition over consecutive samples; ``state`` remembers it between calls."""
    before = np.concatenate(([rule in state.active], holds[:-1]))
    return [
        change(state, rule, bool(holds[at]), int(times[at]), float(values[at]), limit)
        for at in np.flatnonzero(holds != before).tolist()
    ]


def change(
    state: RuleState,
    rule: Rule,
    raised: bool,
    time: int,
    value: float,
    limit: float,
    cause: int | None = None,
) -> Transition:
    """Begin or end a condition and say so."""
    since = time if raised else state.active.pop(rule)
    if raised:
        standing = {**state.active, rule: time}
        state.active = {name: standing[name] for name in RULES if name in standing}
    return Transition(rule, raised, time, since, value, limit, time if cause is None else cause)
