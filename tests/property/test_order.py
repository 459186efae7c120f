"""Order of arrival and doubled samples within the allowed lateness leave no trace."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.core.messages import Configure, EndOfData, Message
from stream_app.core.topology import PowerBlock, Rules
from tests.property.strategies import (
    HOUR,
    MINUTE,
    NEAR_A_CLOCK_CHANGE_MS,
    Run,
    finite_powers,
    ordered,
    run,
)

LATENESS_MS = 20 * MINUTE
BLOCK = PowerBlock(
    "station",
    "1APCS1",
    "Australia/Sydney",
    {"1": {"A1": 0.5, "A2": 0.5}},
    Rules(lateness_ms=LATENESS_MS, skew_ms=24 * HOUR),
)
samples = st.lists(st.tuples(st.integers(1, HOUR), finite_powers), min_size=2, max_size=30)


@settings(max_examples=150)
@given(samples, st.randoms(use_true_random=False), st.data())
def test_shuffled_within_the_lateness_and_doubled_equals_in_order(
    moves: list[tuple[int, float]], random: object, data: st.DataObject
) -> None:
    times = (NEAR_A_CLOCK_CHANGE_MS + np.cumsum([step for step, _ in moves])).tolist()
    series = list(zip(times, [power for _, power in moves], strict=True))
    doubled = series + data.draw(st.lists(st.sampled_from(series), max_size=5))
    delays = data.draw(
        st.lists(st.integers(0, LATENESS_MS - 1), min_size=len(doubled), max_size=len(doubled))
    )
    arrivals = [
        sample
        for _, sample in sorted(zip(delays, doubled, strict=True), key=lambda d: d[0] + d[1][0])
    ]

    assert fold_all(arrivals, times[-1]) == fold_all(series, times[-1])


def fold_all(series: list[tuple[int, float]], last: int) -> tuple[object, ...]:
    thin: list[Message] = [ordered([time], [power]) for time, power in series]
    end = EndOfData(last + 15 * MINUTE)
    result: Run = run([[Configure(BLOCK)], *([each] for each in thin), [end]])
    assert not result.outputs.too_late
    return result.results, result.outputs.refusals
