"""What comes late and fills a hole leaves the sums of what comes in order."""

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.core.energy import Ints
from stream_app.core.integrator import CONFLICTS, FROZEN
from stream_app.core.messages import Configure, EndOfData, Message, Outputs
from stream_app.core.topology import PowerBlock, Rules
from tests.property.strategies import (
    HOUR,
    MINUTE,
    NEAR_A_CLOCK_CHANGE_MS,
    batchings,
    finite_powers,
    ordered,
    run,
)

STAYS = [FROZEN, CONFLICTS]
"""Rows of the sums that late samples do not correct."""
RULES = Rules(
    interval_ms=MINUTE,
    max_gap_ms=5 * MINUTE,
    correction_ms=48 * HOUR,
    skew_ms=24 * HOUR,
    rating_w=1e6,
)


@dataclass(frozen=True)
class Delayed:
    """Samples in order, and in an order of arrival in which some come later, into their holes."""

    block: PowerBlock
    in_order: list[Message]
    arriving: list[Message]


@st.composite
def delayed(draw: st.DrawFn) -> Delayed:
    """Steps of whole minutes, so that each missing sample leaves a hole of two intervals."""
    rules = replace(
        RULES,
        method=draw(st.sampled_from(("trapezoid", "left"))),
        lateness_ms=draw(st.sampled_from((0, 3 * MINUTE))),
        resolutions=draw(st.sampled_from((("5min", "15min", "1h", "1d"), ("15min",), ()))),
    )
    shares = draw(st.sampled_from(({"A1": 1.0}, {"A1": 0.4, "A2": 0.6})))
    block = PowerBlock("station", "1APCS1", "Australia/Sydney", {"1": shares}, rules)
    steps = draw(st.lists(st.sampled_from((1, 1, 1, 2, 7, 120)), min_size=3, max_size=40))
    times = (NEAR_A_CLOCK_CHANGE_MS + MINUTE * np.cumsum(steps)).tolist()
    rows: list[Message] = [ordered([time], [draw(finite_powers)]) for time in times]
    delays = [draw(st.sampled_from((0, 0, 0, 1, 9, 30))) for _ in rows]
    delays[0] = 0
    places = sorted(range(len(rows)), key=lambda place: (place + delays[place], place))
    end: Message = EndOfData(times[-1] + MINUTE)
    start: Message = Configure(block)
    return Delayed(block, [start, *rows, end], [start, *(rows[at] for at in places), end])


Window = tuple[str, int, int]
"""Resolution, group of shares, start."""


def publications(outputs: Outputs) -> dict[Window, list[tuple[int, Ints, Ints | None]]]:
    """(revision, sums, deltas) of each window, in order of publication."""
    found: dict[Window, list[tuple[int, Ints, Ints | None]]] = {}
    for each in outputs.rollups:
        for at, start in enumerate(each.run.starts.tolist()):
            deltas = None if each.run.deltas is None else each.run.deltas[:, at]
            one = int(each.run.revisions[at]), each.run.sums[:, at], deltas
            found.setdefault((each.resolution, each.group, start), []).append(one)
    return found


@settings(max_examples=300)
@given(delayed())
def test_the_highest_revisions_are_the_windows_of_the_samples_in_order(case: Delayed) -> None:
    late, in_order = run([case.arriving]).outputs, run([case.in_order]).outputs

    assert late.too_late == []
    found, expected = publications(late), publications(in_order)
    assert found.keys() == expected.keys()
    for window, each in found.items():
        got, wanted = (np.delete(sums, STAYS) for sums in (each[-1][1], expected[window][-1][1]))
        assert got.tolist() == wanted.tolist(), window


@settings(max_examples=200)
@given(delayed())
def test_revisions_count_up_by_one_and_their_deltas_add_up(case: Delayed) -> None:
    for window, each in publications(run([case.arriving]).outputs).items():
        assert [revision for revision, _, _ in each] == list(range(1, len(each) + 1)), window
        moved = sum(
            (deltas for _, _, deltas in each[1:] if deltas is not None),
            start=np.zeros_like(each[0][1]),
        )
        assert (each[0][1] + moved).tolist() == each[-1][1].tolist(), window
        assert all(deltas is not None for _, _, deltas in each[1:]), window


@settings(max_examples=300)
@given(st.data(), delayed())
def test_late_data_give_the_same_records_and_state_in_any_batches(
    data: st.DataObject, case: Delayed
) -> None:
    one_by_one = run([[message] for message in case.arriving])

    batched = run(data.draw(batchings(case.arriving)), restored=data.draw(st.booleans()))

    assert batched.results == one_by_one.results
    assert batched.state == one_by_one.state
