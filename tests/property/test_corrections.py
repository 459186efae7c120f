"""A correction with the true samples leaves the windows of a fold of the true samples."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.core.calendar import calendar
from stream_app.core.messages import (
    Configure,
    CorrectionBegin,
    CorrectionEnd,
    EndOfData,
    Message,
    Outputs,
    PowerSamples,
)
from stream_app.core.topology import PowerBlock, Rules
from tests.property.strategies import (
    HOUR,
    MINUTE,
    NEAR_A_CLOCK_CHANGE_MS,
    batchings,
    finite_powers,
    run,
)

ZONE = "Australia/Sydney"
DAYS = calendar(ZONE).edges("1d", NEAR_A_CLOCK_CHANGE_MS, NEAR_A_CLOCK_CHANGE_MS + 96 * HOUR)
SINCE, UNTIL = int(DAYS[1]), int(DAYS[3])
"""The day on which Sydney turns back, and the one after."""
Rows = list[tuple[int, float]]


@st.composite
def blocks(draw: st.DrawFn) -> PowerBlock:
    rules = Rules(
        method=draw(st.sampled_from(("trapezoid", "left"))),
        interval_ms=15 * MINUTE,
        max_gap_ms=draw(st.sampled_from((45 * MINUTE, 6 * HOUR))),
        lateness_ms=draw(st.sampled_from((0, HOUR))),
        skew_ms=200 * HOUR,
        correction_ms=48 * HOUR,
        resolutions=draw(st.sampled_from((("15min", "1h", "1d"), ()))),
    )
    shares = draw(st.sampled_from(({"A1": 1.0}, {"A1": 0.4, "A2": 0.6})))
    return PowerBlock("station", "1APCS1", ZONE, {"1": shares}, rules)


@st.composite
def series(draw: st.DrawFn, first: int, last: int) -> Rows:
    """Samples a few minutes or hours apart, in order."""
    steps = draw(
        st.lists(st.sampled_from((7, 15, 15, 30, 240, 900)), min_size=1, max_size=30).map(np.cumsum)
    )
    times = [first + int(step) * MINUTE for step in steps]
    return [(time, draw(finite_powers)) for time in times if time < last]


def messages(rows: Rows, correction: str | None = None) -> list[Message]:
    return [
        PowerSamples(np.array([time]), {"1": np.array([power])}, correction) for time, power in rows
    ]


def highest(outputs: Outputs) -> dict[tuple[str, int, int], list[int]]:
    """Sums of the highest revision of each window between the days."""
    found: dict[tuple[str, int, int], tuple[int, list[int]]] = {}
    for each in outputs.rollups:
        columns = each.run.starts, each.run.revisions, each.run.sums.T
        for start, revision, sums in zip(*(column.tolist() for column in columns), strict=True):
            key = each.resolution, each.group, start
            if SINCE <= start < UNTIL and revision >= found.get(key, (0, []))[0]:
                found[key] = revision, sums
    return {key: sums for key, (_, sums) in found.items()}


@settings(max_examples=100)
@given(st.data(), blocks())
def test_corrected_days_are_those_of_the_true_samples(
    data: st.DataObject, block: PowerBlock
) -> None:
    before = [(SINCE - 10 * HOUR, 1.0), *data.draw(series(SINCE - 10 * HOUR, SINCE))]
    wrong, true = (data.draw(series(SINCE, UNTIL)) for _ in range(2))
    after = [(UNTIL + 20 * MINUTE, data.draw(finite_powers)), (UNTIL + 30 * HOUR, 1.0)]
    start: list[Message] = [Configure(block)]
    begin, end = CorrectionBegin("c", SINCE, UNTIL), CorrectionEnd("c")
    shown = [begin, *messages(before + true + after, "c"), end]
    counted = [*start, *messages(before + wrong + after)]

    expected = highest(run([[*start, *messages(before + true + after)]]).outputs)
    one_by_one = run([[message] for message in [*counted, *shown]])
    batched = run(data.draw(batchings([*counted, *shown])), restored=data.draw(st.booleans()))

    assert one_by_one.outputs.refusals == []
    corrected = highest(one_by_one.outputs)
    assert {window: corrected[window] for window in expected} == expected
    # Inside a long silence the plain fold makes no windows; there a correction says that it is one.
    assert not any(any(sums) for window, sums in corrected.items() if window not in expected)
    assert batched.results == one_by_one.results
    assert batched.state == one_by_one.state


@settings(max_examples=50)
@given(st.data(), blocks())
def test_counting_beside_a_correction_is_as_without_it(
    data: st.DataObject, block: PowerBlock
) -> None:
    """But for late samples in the days that are corrected."""
    plain = replace(block, rules=replace(block.rules, correction_ms=0))
    counted = messages(data.draw(series(UNTIL, UNTIL + 48 * HOUR)) or [(UNTIL, 1.0)])
    more = [
        *messages(data.draw(series(UNTIL + 48 * HOUR, UNTIL + 96 * HOUR))),
        EndOfData(UNTIL + 100 * HOUR),
    ]
    begin = CorrectionBegin("c", SINCE, UNTIL)
    aside = [begin, *messages(data.draw(series(SINCE, UNTIL)), "c"), CorrectionEnd("c")]
    cut = data.draw(st.integers(0, len(more)))

    both = run([[Configure(plain), *counted, *more[:cut], *aside, *more[cut:]]])
    alone = run([[Configure(plain), *counted, *more]])

    ours = [row for row in both.results if "'correction'" not in repr(row)]
    assert [row for row in ours if '"correction"' not in repr(row)] == alone.results
