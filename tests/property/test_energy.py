"""What must hold of energy, whatever the samples."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stream_app.core.calendar import SLOT_MS, calendar
from stream_app.core.energy import (
    ABOVE,
    BELOW,
    CHARGED,
    DISCHARGED,
    Ints,
    Pieces,
    ledger,
    pieces,
)
from stream_app.core.integrator import LEDGER, LEDGER_ROWS, SAMPLES
from stream_app.core.messages import Configure, EndOfData, Message, Rollup
from stream_app.core.topology import Method, PowerBlock, Rules
from tests.property.strategies import (
    HOUR,
    MINUTE,
    NEAR_A_CLOCK_CHANGE_MS,
    ZONES,
    finite_powers,
    ordered,
    run,
)

series = st.lists(st.tuples(st.integers(1, 2 * HOUR), finite_powers), min_size=2, max_size=30).map(
    lambda moves: (
        NEAR_A_CLOCK_CHANGE_MS + np.cumsum([step for step, _ in moves]),
        np.array([power for _, power in moves]),
    )
)
Series = tuple[Ints, np.ndarray]


def cut(
    samples: Series, method: Method = "trapezoid", max_gap_ms: int = HOUR, hold_ms: int = 0
) -> Pieces:
    times, power = samples
    slots = calendar("Australia/Sydney").edges("5min", int(times[0]), int(times[-1]))
    return pieces(times, power, slots, method, max_gap_ms, hold_ms)


@given(series, st.sampled_from(("trapezoid", "left")), st.floats(0, 1))
def test_discharged_less_charged_is_the_signed_integral(
    samples: Series, method: Method, share: float
) -> None:
    parts = cut(samples, method)

    rows = ledger(parts, share)

    net = rows[DISCHARGED] - rows[CHARGED]
    exact = (parts.p0 + parts.p1) / 2 * parts.length * share
    assert (rows >= 0).all()
    assert np.abs(net - exact).max(initial=0) <= 1 + 1e-9 * np.abs(exact).max(initial=0)


@given(series)
def test_trapezoid_is_the_mean_of_left_and_right(samples: Series) -> None:
    times, power = samples
    left = net(ledger(cut(samples, "left"), 1.0))
    right = net(ledger(cut((times, np.append(power[1:], 0.0)), "left"), 1.0))

    trapezoid = ledger(cut(samples), 1.0)

    slack = 3 * trapezoid.shape[1] + 1e-9 * np.abs(power).max() * int(times[-1] - times[0])
    assert abs(net(trapezoid) - (left + right) / 2) <= slack


def net(rows: Ints) -> int:
    return int(rows[DISCHARGED].sum() - rows[CHARGED].sum())


@given(series, st.sampled_from(("trapezoid", "left")), st.floats(0.2, 5))
def test_the_bound_holds_for_monotone_paths_between_samples(
    samples: Series, method: Method, bend: float
) -> None:
    parts = cut(samples, method)
    rows = ledger(parts, 1.0)

    true_net = bent_path_energy(samples, parts, bend)

    stated = (rows[DISCHARGED] - rows[CHARGED]).astype(float)
    slack = 2 + 1e-6 * np.maximum(np.abs(parts.low), np.abs(parts.high)) * parts.length
    assert (true_net <= stated + rows[ABOVE] + slack).all()
    assert (true_net >= stated - rows[BELOW] - slack).all()


def bent_path_energy(samples: Series, parts: Pieces, bend: float) -> np.ndarray:
    """Energy of each piece if power runs from sample to sample as ``x ** bend``."""
    times, power = samples
    owner = np.searchsorted(times, parts.start, side="right") - 1
    begin, span = times[owner], np.diff(times)[owner]
    p0, rise = power[owner], np.diff(power)[owner]

    def integral(at: np.ndarray) -> np.ndarray:
        x = (at - begin) / span
        return span * (p0 * x + rise * x ** (bend + 1) / (bend + 1))

    return integral(parts.start + parts.length) - integral(parts.start)


@given(series, st.sampled_from((5 * MINUTE, HOUR)), st.sampled_from((1000, 15 * MINUTE)))
def test_every_millisecond_is_known_once_or_lies_in_a_gap(
    samples: Series, max_gap_ms: int, hold_ms: int
) -> None:
    steps = np.diff(samples[0])
    known = int(steps[steps <= max_gap_ms].sum())
    held = int(np.minimum(steps[steps > max_gap_ms], hold_ms).sum())

    straight, level = cut(samples, max_gap_ms=max_gap_ms), cut(samples, "left", max_gap_ms, hold_ms)

    assert int(straight.length.sum()) == known
    assert int(level.length.sum()) == known + held
    for parts in (straight, level):
        assert (parts.length <= SLOT_MS).all()
        assert (parts.start[1:] >= (parts.start + parts.length)[:-1]).all()


@given(series, st.integers(2, 6))
def test_enclosures_add_up_to_their_input_within_half_a_unit_a_piece(
    samples: Series, count: int
) -> None:
    parts = cut(samples)

    whole, one = ledger(parts, 1.0), ledger(parts, 1 / count)

    slack = (count + 1) / 2 * parts.length.size
    for row in (DISCHARGED, CHARGED):
        assert abs(int(whole[row].sum()) - count * int(one[row].sum())) <= slack


@settings(max_examples=60)
@given(series, st.sampled_from(ZONES), st.sampled_from(("trapezoid", "left")), st.booleans())
def test_windows_of_each_length_add_up_to_the_days_to_the_last_unit(
    samples: Series, zone: str, method: Method, ends: bool
) -> None:
    times, power = samples
    rules = Rules(method=method, max_gap_ms=HOUR, skew_ms=24 * HOUR)
    block = PowerBlock("station", "1APCS1", zone, {"1": {"A1": 0.25, "A2": 0.75}}, rules)
    messages: list[Message] = [Configure(block), ordered(times.tolist(), power.tolist())]
    assume(ends or local_days(zone, times) > 1)

    rollups = run([[*messages, EndOfData(int(times[-1]) + 15 * MINUTE)]]).outputs.rollups

    days = by_day(rollups, "1d", zone)
    for resolution in ("5min", "15min", "1h"):
        assert by_day(rollups, resolution, zone) == days
    assert sum(day[SAMPLES] for day in days.values()) == times.size


def local_days(zone: str, times: Ints) -> int:
    return calendar(zone).edges("1d", int(times[0]), int(times[-1])).size - 1


def by_day(rollups: list[Rollup], resolution: str, zone: str) -> dict[str, list[int]]:
    """Newest sums of all windows of one length, added up by local day."""
    newest = {
        start: sums
        for rollup in rollups
        if rollup.resolution == resolution
        for start, sums in zip(rollup.run.starts.tolist(), rollup.run.sums.T.tolist(), strict=True)
    }
    days: dict[str, list[int]] = defaultdict(lambda: [0] * (LEDGER + 2 * LEDGER_ROWS))
    for start, sums in newest.items():
        day = calendar(zone).local_date(start).isoformat()
        days[day] = [total + each for total, each in zip(days[day], sums, strict=True)]
    return {day: sums for day, sums in days.items() if any(sums)}


@given(series)
def test_a_sample_added_on_the_straight_line_changes_nothing_but_rounding(samples: Series) -> None:
    times, power = samples
    middle = (times[:-1] + times[1:]) // 2
    finer = np.unique(np.concatenate([times, middle]))
    both = finer, np.interp(finer, times, power)

    coarse = ledger(cut(samples, max_gap_ms=2 * HOUR), 1.0)
    fine = ledger(cut(both, max_gap_ms=2 * HOUR), 1.0)

    slack = 1e-6 * np.abs(power).max() * HOUR + 3 * fine.shape[1]
    for row in (DISCHARGED, CHARGED):
        assert int(fine[row].sum()) == pytest.approx(int(coarse[row].sum()), abs=slack)
