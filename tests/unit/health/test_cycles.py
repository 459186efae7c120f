"""Rainflow: the published series, the reference program, and any cut of the stream."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import rainflow
from hypothesis import given
from hypothesis import strategies as st

from stream_app.core.health.cycles import (
    Cycle,
    CycleState,
    count,
    doubled_depth,
    full_cycles,
    open_cycles,
)
from tests.property.strategies import cuts

values = st.lists(st.integers(-12, 12), min_size=3, max_size=80)
"""The reference program passes over a series of two values."""


def counted(series: Sequence[int], band: int = 1) -> list[Cycle]:
    state = CycleState()
    return count(state, np.array(series, dtype=np.int64), band) + open_cycles(state)


def totals(cycles: list[Cycle]) -> Counter[tuple[int, float]]:
    """Counts by range and mean."""
    found: Counter[tuple[int, float]] = Counter()
    for cycle in cycles:
        found[cycle.depth, cycle.mean] += cycle.count
    return found


def reference(series: Sequence[int]) -> Counter[tuple[int, float]]:
    found: Counter[tuple[int, float]] = Counter()
    for depth, mean, number, _, _ in rainflow.extract_cycles(series):
        if depth:
            found[int(depth), mean] += number
    return found


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (
            (-2, 1, -3, 5, -1, 3, -4, 4, -2),
            {(3, -0.5): 0.5, (4, -1.0): 0.5, (4, 1.0): 1.0}
            | {(6, 1.0): 0.5, (8, 0.0): 0.5, (8, 1.0): 0.5, (9, 0.5): 0.5},
        ),
        ((20, 80, 40, 60, 20), {(20, 50.0): 1.0, (60, 50.0): 1.0}),
        ((90, 10, 50, 30, 90), {(20, 40.0): 1.0, (80, 50.0): 1.0}),
        ((5,), {}),
        ((5, 5, 5), {}),
        ((5, 7), {(2, 6.0): 0.5}),
    ],
)
def test_published_series_have_their_published_counts(
    series: tuple[int, ...], expected: dict[tuple[int, float], float]
) -> None:
    assert totals(counted(series)) == expected


def test_astm_ranges_are_those_of_the_standard() -> None:
    ranges: Counter[int] = Counter()
    for cycle in counted((-2, 1, -3, 5, -1, 3, -4, 4, -2)):
        ranges[cycle.depth] += cycle.count

    assert ranges == {3: 0.5, 4: 1.5, 6: 0.5, 8: 1.0, 9: 0.5}


@pytest.mark.parametrize("seed", range(5))
def test_long_random_series_count_as_the_reference_program_does(seed: int) -> None:
    chance = np.random.default_rng(seed)
    walk = np.cumsum(chance.integers(-9000, 9001, 20_000))
    noise = chance.integers(0, 1_000_001, 20_000)

    for series in (walk.tolist(), noise.tolist()):
        assert totals(counted(series)) == reference(series)


@given(values)
def test_any_series_counts_as_the_reference_program_does(series: list[int]) -> None:
    assert totals(counted(series)) == reference(series)


@given(values, st.integers(1, 6), st.data())
def test_any_cut_of_the_stream_gives_the_same_cycles_and_the_same_residual(
    series: list[int], band: int, data: st.DataObject
) -> None:
    whole, state = CycleState(), CycleState()
    expected = count(whole, np.array(series, dtype=np.int64), band)

    found: list[Cycle] = []
    for part in data.draw(cuts(len(series))):
        found += count(state, np.array(series[part], dtype=np.int64), band)

    assert found == expected
    assert state == whole


@given(values, st.integers(1, 6))
def test_ranges_times_counts_are_half_the_path_over_the_turning_points(
    series: list[int], band: int
) -> None:
    state = CycleState()
    cycles = count(state, np.array(series, dtype=np.int64), band) + open_cycles(state)

    assert sum(cycle.depth * cycle.count for cycle in cycles) * 2 == doubled_depth(state)
    if band == 1:
        assert doubled_depth(state) == int(np.abs(np.diff(series)).sum())


@given(values, st.integers(2, 6))
def test_what_moves_less_than_the_dead_band_is_no_cycle(series: list[int], band: int) -> None:
    assert all(cycle.depth >= band for cycle in counted(series, band))


@given(st.lists(st.integers(-2, 2), min_size=1, max_size=40))
def test_noise_inside_the_dead_band_adds_nothing(noise: list[int]) -> None:
    series = np.array([0, 40, 0, 40], dtype=np.int64).repeat(len(noise))
    state, quiet = CycleState(), CycleState()

    count(state, series + np.tile(noise, 4), band=5)
    count(quiet, series, band=5)

    assert abs(doubled_depth(state) - doubled_depth(quiet)) <= 3 * 4


def test_a_full_cycle_is_the_full_range_out_and_back() -> None:
    state = CycleState()
    count(state, np.array([1_000_000, 0, 1_000_000]), band=5000)

    assert full_cycles(doubled_depth(state)) == 1.0


def test_the_residual_of_a_long_noisy_year_stays_small() -> None:
    state = CycleState()
    count(state, np.random.default_rng(3).integers(0, 1_000_001, 100_000), band=5000)

    assert len(state.residual) < 60
