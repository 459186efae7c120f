"""Conditions of the inputs of a block, in the order in which the rows of a batch showed them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from stream_app.core.clock import Samples
from stream_app.core.energy import Ints
from stream_app.core.findings import RULES, Transition, change
from stream_app.core.integrator import InputResult, InputState
from stream_app.core.messages import Finding
from stream_app.core.topology import PowerBlock


def skew(state: InputState, result: InputResult, times: Ints) -> list[tuple[int, Transition]]:
    """CLOCK_SKEW of an input, with its row: samples were set aside, or are so no longer."""
    rules = state.rules
    found = []
    for row, ahead in result.admitted.skew:
        raised = ahead is not None
        if raised == ("CLOCK_SKEW" in rules.active):
            continue
        cause = int(times[row])
        value = (ahead - cause) / 1000 if ahead is not None else 0.0
        found.append((row, change(rules, "CLOCK_SKEW", raised, cause, value, 0.0)))
    return found


class Seen(NamedTuple):
    """A transition, and the row of the batch that brought it about."""

    row: int
    input: str
    transition: Transition


class Silence:
    """STALE_DATA of each input, judged row by row against the newest time in its block."""

    def __init__(
        self, block: PowerBlock, inputs: Mapping[str, InputState], heard: int | None, rows: int
    ) -> None:
        self._rules, self._inputs, self._rows = block.rules, inputs, rows
        self._newest = {name: self._start(each.clock.now) for name, each in inputs.items()}
        self._settled = {name: each.clock.settled for name, each in inputs.items()}
        self._heard = self._start(heard)

    def _start(self, time: int | None) -> Ints:
        return np.full(self._rows, -1 if time is None else time, dtype=np.int64)

    def heard(self, name: str, before: int | None, taken: Samples) -> None:
        """Take note of what an input's clock, which stood at ``before``, has accepted."""
        newest = self._start(before)
        np.maximum.at(newest, taken.rows, taken.times)
        self._newest[name] = np.maximum.accumulate(newest)

    def settling(self, name: str, result: InputResult) -> list[Seen]:
        """The transitions of settled samples, with the row that settled the sample of each."""
        if not result.transitions:
            return []
        taken, lateness_ms = result.admitted.taken, self._rules.lateness_ms
        arrived = dict(zip(taken.times[::-1].tolist(), taken.rows[::-1].tolist(), strict=True))
        # What an end of data or a shorter lateness has settled before is folded as it comes.
        settled = self._settled[name]
        passed = [
            -1 if settled is not None and each.cause <= settled else each.cause + lateness_ms
            for each in result.transitions
        ]
        rows = np.searchsorted(self._newest[name], passed).tolist()
        return [
            Seen(max(row, arrived.get(each.cause, 0)), name, each)
            for row, each in zip(rows, result.transitions, strict=True)
        ]

    def transitions(self) -> list[Seen]:
        """What began or ended in these rows."""
        stale_ms = self._rules.stale_ms
        clock = np.maximum.reduce([self._heard, *self._newest.values()])
        found: list[Seen] = []
        for name, newest in self._newest.items():
            rules = self._inputs[name].rules
            stale = (newest >= 0) & (clock - newest > stale_ms)
            if "STALE_DATA" not in rules.active and not stale.any():
                continue
            before = np.concatenate((["STALE_DATA" in rules.active], stale[:-1]))
            for row in np.flatnonzero(stale != before).tolist():
                raised, seen, now = bool(stale[row]), int(newest[row]), int(clock[row])
                time = seen + stale_ms if raised else seen
                value = (now - seen) / 1000
                each = change(rules, "STALE_DATA", raised, time, value, stale_ms / 1000, now)
                found.append(Seen(row, name, each))
        return found


def findings(block: PowerBlock, transitions: Iterable[Seen]) -> list[Finding]:
    """In the order in which the rows brought them about, as if each had come alone."""
    order = {name: place for place, name in enumerate(block.inputs)}

    def place(seen: Seen) -> tuple[int, int, int, int, int]:
        each = seen.transition
        return seen.row, each.cause, order[seen.input], RULES.index(each.rule), each.time

    return [
        Finding(block, seen.input, tuple(block.inputs[seen.input]), replace(seen.transition))
        for seen in sorted(transitions, key=place)
    ]
