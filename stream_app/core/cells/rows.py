"""Rows of strictly rising time: which are folded, which are late, which wait to be confirmed.

The event clock of :mod:`stream_app.core.clock` judges samples of one value. Here the value is the
serial number of a row, so that rows of any width are judged by the very same rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stream_app.core.clock import Admitted, Clock, Samples, admit, follow, settle
from stream_app.core.energy import Ints
from stream_app.core.rows import LateRow

Rows = NDArray[np.int32]


@dataclass
class RowClock:
    """Event clock of rows, and the rows that are set aside.

    Attributes
    ----------
    clock
        Its ``ahead`` holds (time [ms UTC], serial number of the row).
    seen
        Rows judged so far; the next one has this serial number.
    held
        Serial number -> values of a row set aside.
    """

    clock: Clock = field(default_factory=Clock)
    seen: int = 0
    held: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class AdmittedRows:
    """Rows to fold: times (n,) strictly rising [ms UTC], values (n, width), and what was late.

    ``arrived`` (n,) is the row of the batch that let each in.
    """

    times: Ints
    values: Rows
    arrived: Ints
    late: Sequence[LateRow] = ()


def admit_rows(state: RowClock, times: Ints, values: Rows, skew_ms: int) -> AdmittedRows:
    """Judge rows (n, width) in order of arrival.

    A row that is not after the newest is late. One more than ``skew_ms`` ahead is set aside until
    a second one confirms it; so are the first, see :func:`stream_app.core.clock.admit`.
    """
    first, state.seen = state.seen, state.seen + times.size
    rows = np.arange(times.size, dtype=np.int64)
    if follow(state.clock, times, skew_ms):
        return AdmittedRows(times, values, rows)
    admitted = admit(
        state.clock, Samples(times, (rows + first).astype(np.float64), rows), 0, skew_ms
    )
    return _admitted(state, admitted, first, values)


def settle_rows(state: RowClock, until: int, width: int) -> AdmittedRows:
    """Take in what is set aside up to ``until`` [ms UTC]: nothing before it is to come."""
    due, given_up = settle(state.clock, until)
    # Two that were set aside may have one time; the first that came has it.
    doubles = [late for early, late in pairwise(due) if early[0] == late[0]]
    taken = [each for each in due if each not in doubles]
    none = np.empty((0, width), dtype=np.int32)
    admitted = Admitted(_held(taken), _held(sorted(given_up + doubles)))
    return _admitted(state, admitted, state.seen, none)


def _held(samples: Sequence[tuple[int, float]]) -> Samples:
    return Samples.of([(time, serial, 0) for time, serial in samples])


def _admitted(state: RowClock, admitted: Admitted, first: int, values: Rows) -> AdmittedRows:
    taken, late = admitted.taken, admitted.late
    serials = taken.power.astype(np.int64)
    if state.held or state.clock.ahead:
        rows = _looked_up(state, first, values, serials)
        _hold(state, first, values)
    else:
        as_they_came = serials.size == values.shape[0] and bool((np.diff(serials) == 1).all())
        rows = values if as_they_came else values[serials - first]
    refused = [
        LateRow(time, "late" if serial == first + row else "ahead")
        for time, serial, row in zip(
            late.times.tolist(), late.power.tolist(), late.rows.tolist(), strict=True
        )
    ]
    return AdmittedRows(taken.times, rows, taken.rows, refused)


def _looked_up(state: RowClock, first: int, values: Rows, serials: Ints) -> Rows:
    """Rows by serial number, from the batch or from those set aside before it."""
    held = [np.frombuffer(row, dtype=np.int32) for row in state.held.values()]
    pool = np.vstack([*held, values])
    place = {serial: at for at, serial in enumerate(state.held)}
    offset = len(held) - first
    return pool[[place.get(serial, serial + offset) for serial in serials.tolist()]]


def _hold(state: RowClock, first: int, values: Rows) -> None:
    """Keep the rows that the clock has set aside."""
    serials = [int(serial) for _, serial in state.clock.ahead]
    state.held = {
        serial: state.held[serial] if serial < first else values[serial - first].tobytes()
        for serial in serials
    }
