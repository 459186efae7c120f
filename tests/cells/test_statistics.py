"""What the cells of a pack say about one another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.core.cells.quantities import MISSING, UV_PER_V, whole
from stream_app.core.cells.statistics import (
    deviations,
    robust_z,
    row_statistics,
)

NAN = np.nan
whole_rows = st.integers(1, 7).flatmap(
    lambda cells: st.lists(
        st.lists(
            st.one_of(st.just(MISSING), st.integers(-2_000_000, 100_000_000)),
            min_size=cells,
            max_size=cells,
        ),
        min_size=1,
        max_size=6,
    )
)


@pytest.mark.parametrize(
    ("volts", "microvolts"),
    [(3.301, 3_301_000), (3.3015, 3_301_500), (0.0, 0), (-0.0005, -500), (NAN, MISSING)],
)
@pytest.mark.parametrize("form", [np.float64, np.float32])
def test_a_decimal_is_the_same_whole_number_from_json_and_from_float32(
    volts: float, microvolts: int, form: type
) -> None:
    assert whole(np.array([volts], dtype=form), UV_PER_V).tolist() == [microvolts]


@settings(max_examples=200)
@given(st.integers(-8_000_000, 8_000_000))
def test_float32_keeps_every_microvolt_up_to_eight_volts(microvolts: int) -> None:
    volts = np.array([microvolts / 1e6])

    assert whole(volts.astype(np.float32), UV_PER_V).tolist() == [microvolts]


@given(whole_rows)
def test_row_statistics_are_those_of_each_row_alone(rows: list[list[int]]) -> None:
    found = row_statistics(np.array(rows, dtype=np.int32))

    for at, row in enumerate(rows):
        values = sorted(value for value in row if value != MISSING)
        assert found.count[at] == len(values)
        if values:
            assert found.low[at] == values[0]
            assert found.high[at] == values[-1]
            lower, upper = values[(len(values) - 1) // 2], values[len(values) // 2]
            assert found.median[at] == (lower + upper) // 2
            assert found.spread[at] == values[-1] - values[0]
        else:
            assert {found.low[at], found.median[at], found.high[at]} == {MISSING}


def test_a_deviation_is_that_from_the_rows_median_and_no_value_has_none() -> None:
    rows = np.array([[3300, 3301, 3270, 3302], [MISSING, 3301, 3302, 3310]], dtype=np.int32)

    off = deviations(rows, row_statistics(rows).median)

    assert off.tolist() == [[0, 1, -30, 2], [0, -1, 0, 8]]


def test_robust_z_of_one_low_cell_among_eight() -> None:
    """Oracle: the last is -20.9, all others below 1.4 in size."""
    volts = np.array([3.301, 3.302, 3.300, 3.303, 3.299, 3.301, 3.302, 3.270])

    z = robust_z(volts)

    assert z[-1] == pytest.approx(-20.9, abs=0.05)
    assert np.abs(z[:-1]).max() < 1.4


def test_the_sensor_step_keeps_equal_neighbours_from_making_giants() -> None:
    volts = np.array([3.3, 3.3, 3.3, 3.3, 3.302])

    assert robust_z(volts)[-1] == pytest.approx(0.6745 * 2)


def test_robust_z_leaves_out_cells_without_a_value() -> None:
    z = robust_z(np.array([[3.3, NAN, 3.31, 3.32], [NAN, NAN, NAN, NAN]]))

    assert z[0, [0, 2, 3]] == pytest.approx([-0.6745, 0, 0.6745])
    assert np.isnan(z[0, 1])
    assert np.isnan(z[1]).all()
