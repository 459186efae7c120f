"""Windows of cells are what the plain definition says, in every resolution."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.core.battery import Battery, BatteryRules, CellSamples
from stream_app.core.calendar import calendar
from stream_app.core.cells.histogram import histogram_of
from stream_app.core.cells.messages import CellOutputs, CellWindows
from stream_app.core.cells.quantities import MISSING
from stream_app.core.messages import EndOfData
from tests.cells.strategies import DAY, HOUR, MINUTE, NEAR_A_CLOCK_CHANGE_MS, run

ZONE = "Australia/Sydney"
BATTERY = Battery("station", "b1", ZONE, {"1": 3}, BatteryRules(max_gap_ms=10 * MINUTE))
RESOLUTIONS = ("5min", "15min", "1h", "1d")
steps = st.one_of(st.sampled_from((1000, MINUTE, 5 * MINUTE, HOUR)), st.integers(1, 9 * HOUR))
values = st.one_of(st.none(), st.integers(2_400, 3_650))
kelvins = st.one_of(st.none(), st.integers(-200, 600))


def samples(times: Sequence[int], volts: object, celsius: object) -> CellSamples:
    return CellSamples(
        "1",
        np.array(times, dtype=np.int64),
        np.array(volts, dtype=np.float64),
        np.array(celsius, dtype=np.float64),
    )


@st.composite
def traces(draw: st.DrawFn) -> tuple[list[int], np.ndarray, np.ndarray]:
    size = draw(st.integers(2, 30))
    times = NEAR_A_CLOCK_CHANGE_MS + np.cumsum(
        [draw(st.sampled_from((1000, MINUTE))) for _ in range(2)]
        + [draw(steps) for _ in range(size - 2)]
    )
    row = st.lists(values, min_size=3, max_size=3)
    warm = st.lists(kelvins, min_size=3, max_size=3)
    volts = np.array([draw(row) for _ in range(size)], dtype=np.float64) / 1000
    celsius = np.array([draw(warm) for _ in range(size)], dtype=np.float64) / 10
    return times.tolist(), volts, celsius


def published(outputs: CellOutputs, resolution: str) -> list[CellWindows]:
    return [one for each in outputs.windows if each.resolution == resolution for one in each]


@settings(max_examples=100)
@given(trace=traces(), resolution=st.sampled_from(RESOLUTIONS))
def test_every_number_of_a_window_is_that_of_its_samples(
    trace: tuple[list[int], np.ndarray, np.ndarray], resolution: str
) -> None:
    times, volts, celsius = trace
    end = EndOfData(times[-1] + 1)

    outputs, _ = run([[BATTERY, samples(times, volts, celsius), end]])

    edges = calendar(ZONE).edges(resolution, times[0], times[-1])
    rows = defaultdict(list)
    for row, place in enumerate(np.searchsorted(edges, times, side="right") - 1):
        rows[int(place)].append(row)
    windows = published(outputs, resolution)
    assert [int(each.starts[0]) for each in windows] == [int(edges[place]) for place in rows]
    assert [int(each.ends[0]) for each in windows] == [int(edges[place + 1]) for place in rows]
    for each, inside in zip(windows, rows.values(), strict=True):
        check(each, np.array(times)[inside], volts[inside], celsius[inside])


def check(window: CellWindows, times: np.ndarray, volts: np.ndarray, celsius: np.ndarray) -> None:
    medians = np.array([np.nanmedian(row) if np.isfinite(row).any() else np.nan for row in volts])
    for cell in range(volts.shape[1]):
        known = np.isfinite(volts[:, cell])
        column = volts[known, cell]
        assert window.samples[0, cell] == column.size
        if column.size:
            assert window.voltage_min_v[0, cell] == pytest.approx(column.min())
            assert window.voltage_max_v[0, cell] == pytest.approx(column.max())
            assert window.voltage_mean_v[0, cell] == pytest.approx(column.mean())
            assert window.voltage_min_at[0, cell] == times[known][column.argmin()]
            assert window.voltage_max_at[0, cell] == times[known][column.argmax()]
            off = (column - medians[known]).mean()
            assert window.voltage_deviation_v[0, cell] == pytest.approx(off, abs=2e-6)
        else:
            assert np.isnan(window.voltage_mean_v[0, cell])
            assert window.voltage_min_at[0, cell] == MISSING
        warmth = celsius[np.isfinite(celsius[:, cell]), cell]
        if warmth.size:
            assert window.temperature_max_c[0, cell] == pytest.approx(warmth.max())
            assert window.temperature_mean_c[0, cell] == pytest.approx(warmth.mean())
        else:
            assert np.isnan(window.temperature_max_c[0, cell])
    every = np.sort(np.rint(volts[np.isfinite(volts)] * 1000))
    if every.size:
        assert window.p1_mv[0] == every[-(-every.size * 1 // 100) - 1]
        assert window.p99_mv[0] == every[-(-every.size * 99 // 100) - 1]


def test_a_short_dip_is_seen_in_every_level_and_no_mean_hides_it() -> None:
    times = [NEAR_A_CLOCK_CHANGE_MS + 1000 * n for n in range(400)]
    volts = np.full((400, 3), 3.3)
    volts[200, 1] = 2.5

    outputs, _ = run(
        [[BATTERY, samples(times, volts, np.full((400, 3), 25.0)), EndOfData(times[-1] + 1)]]
    )

    for resolution in RESOLUTIONS:
        lowest = min(
            published(outputs, resolution), key=lambda window: float(window.voltage_min_v.min())
        )
        assert lowest.voltage_min_v[0].tolist() == [3.3, 2.5, 3.3]
        assert lowest.voltage_min_at[0, 1] == times[200]
        assert lowest.voltage_spread_v[0] == pytest.approx(0.8)


def test_the_rise_of_a_temperature_is_per_second_and_not_told_over_a_gap() -> None:
    start = NEAR_A_CLOCK_CHANGE_MS
    times = [start, start + 1000, start + 3000, start + 3000 + 11 * MINUTE]
    celsius = [[25.0, 25.0, 25.0], [25.5, 25.0, np.nan], [29.5, 24.0, 30.0], [99.0, 99.0, 99.0]]

    outputs, _ = run(
        [[BATTERY, samples(times, np.full((4, 3), 3.3), celsius), EndOfData(times[-1] + 1)]]
    )

    (day,) = published(outputs, "1d")
    assert day.temperature_rise_c_per_s[0, :2].tolist() == [2.0, 0.0]
    assert np.isnan(day.temperature_rise_c_per_s[0, 2])


def test_an_end_of_data_publishes_as_it_stands_and_what_comes_after_is_a_revision() -> None:
    start = NEAR_A_CLOCK_CHANGE_MS
    volts, warm = np.full((2, 3), 3.3), np.full((2, 3), 25.0)
    first, more = (
        samples([start, start + 1000], volts, warm),
        samples([start + 2000, start + 6 * MINUTE], volts, warm),
    )
    end = EndOfData(start + 1001)

    outputs, _ = run([[BATTERY, first, end, end, more, EndOfData(start + DAY)]])

    assert [
        (int(each.starts[0]) - start, int(each.revisions[0]), each.final, int(each.samples[0, 0]))
        for each in published(outputs, "5min")
    ] == [(0, 1, False, 2), (0, 2, True, 3), (5 * MINUTE, 1, False, 1)]
    assert [
        (int(each.revisions[0]), each.final, int(each.samples[0, 0]))
        for each in published(outputs, "1d")
    ] == [(1, False, 2), (2, False, 4)]


def test_a_window_that_closes_as_it_was_published_keeps_its_revision() -> None:
    start = NEAR_A_CLOCK_CHANGE_MS
    volts, warm = np.full((2, 3), 3.3), np.full((2, 3), 25.0)
    first = samples([start, start + 1000], volts, warm)
    more = samples([start + 6 * MINUTE], volts[:1], warm[:1])

    outputs, _ = run([[BATTERY, first, EndOfData(start + 1001), more]])

    assert [(int(each.revisions[0]), each.final) for each in published(outputs, "5min")] == [
        (1, False),
        (1, True),
    ]


@pytest.mark.parametrize("wild_mv", [3_300, 65_535])
def test_percentiles_do_not_care_how_wide_voltages_spread(wild_mv: int) -> None:
    rng = np.random.default_rng(3)
    millivolts = rng.integers(3_200, 3_400, (120, 52))
    millivolts[7, 7] = wild_mv
    starts = np.arange(0, 120, 1)

    found = histogram_of((millivolts * 1000).astype(np.int32), starts)

    assert found.percentiles(120, [1])[0].tolist() == np.sort(millivolts, axis=1)[:, 0].tolist()
    assert found.percentiles(120, [99])[0].tolist() == np.sort(millivolts, axis=1)[:, 51].tolist()
    as_one = found.merged(np.zeros(120, dtype=np.int64))
    flat = np.sort(millivolts.ravel())
    assert as_one.percentiles(1, [1])[0].tolist() == [flat[-(-flat.size // 100) - 1]]


def test_half_a_millivolt_counts_for_the_upper_bin() -> None:
    found = histogram_of(np.array([[3_299_499, 3_299_500, MISSING]], dtype=np.int32), np.array([0]))

    assert found.percentiles(1, [1])[0].tolist() == [3_299]
    assert found.percentiles(1, [99])[0].tolist() == [3_300]
