"""Which cells warm with their neighbours, which alone; and what else windows say of each cell."""

import json
from typing import Any

import numpy as np
import pytest

from schemas import topics
from stream_app.codec.results_battery import encode_battery_outputs
from stream_app.core.battery import Battery, BatteryRules, CellSamples
from stream_app.core.battery_system import BatteryState, fold_battery
from stream_app.core.cells.influence import neighbour_influence
from stream_app.core.energy import Floats
from stream_app.core.messages import EndOfData

START = 1_743_811_200_000
"""Midnight in UTC."""
SLOT_MS = 300_000
NAN = np.nan


def published(warmth: Floats, volts: Floats | None = None, batch: int = 1000) -> dict[str, Any]:
    """The newest records by length, of rows of five minutes (n, cells)."""
    rows, cells = warmth.shape
    rules = BatteryRules(interval_ms=SLOT_MS, max_gap_ms=3 * SLOT_MS)
    battery = Battery("station", "b1", "UTC", {"1": cells}, rules)
    times = START + SLOT_MS * np.arange(rows, dtype=np.int64)
    volts = np.full(warmth.shape, 3.3) if volts is None else volts
    state, found = BatteryState(), {}
    parts = [
        CellSamples("1", times[at : at + batch], volts[at : at + batch], warmth[at : at + batch])
        for at in range(0, rows, batch)
    ]
    for message in (battery, *parts, EndOfData(int(times[-1]) + SLOT_MS)):
        outputs = fold_battery(state, [message])
        for record in encode_battery_outputs(battery, outputs):
            if record.topic in topics.CELLS.values():
                plain = json.loads(record.value)
                found[plain["resolution"]] = plain
    return found


def day(*cells: list[float]) -> Floats:
    """Temperatures of cells, 25 degC and more, as often as it takes for half a day."""
    return 25 + np.tile(np.array(cells).T, (36, 1))


WARM, ALONE = [0.0, 1.0, 3.0, 2.0], [0.0, 4.0, 0.0, 4.0]
STILL = [0.0] * 4


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_cells_that_warm_with_their_neighbours_share_their_cause(batch: int) -> None:
    warm = day(WARM, [1.2 * each for each in WARM], [0.9 * each for each in WARM])
    still = np.full((144, 6), 25.0)

    told = published(np.hstack((warm, still)), batch=batch)["1d"]["temperature_influence"]

    assert told[-1][:2] == [pytest.approx(1, abs=0.02)] * 2
    assert told[-1][5:] == [None] * 4, "a cell that never moves tells nothing"


def test_a_cell_that_warms_alone_has_its_cause_in_itself() -> None:
    noise = np.random.default_rng(1).normal(0, 0.2, (144, 7))
    alone = np.zeros((144, 7))
    alone[:, 3] = np.tile(ALONE, 36)

    told = published(25 + alone + noise)["1d"]["temperature_influence"][-1]

    assert abs(told[3]) < 0.3


def test_neighbours_that_go_the_other_way_are_negative_and_two_windows_too_few() -> None:
    still = np.full((4, 3), 25.0)
    both = np.hstack((25 + np.array([WARM, [-each for each in WARM]]).T, still))

    assert published(both)["1d"]["temperature_influence"][-1][:2] == [
        pytest.approx(-1, abs=0.01),
        pytest.approx(-1, abs=0.01),
    ]
    assert published(both[:2])["1d"]["temperature_influence"][-1] == [None] * 5


def test_a_cell_without_temperatures_is_left_out() -> None:
    warm = day(WARM, WARM, WARM, *[STILL] * 4)
    warm[:, 1] = NAN

    told = published(warm)["1d"]["temperature_influence"][-1]

    assert told[:2] == [None, None], "what is beside the first has no value"


def test_windows_name_the_worst_cell_and_its_robust_z() -> None:
    """Oracle: eight cells, of which the last is -20.9."""
    row = [3.301, 3.302, 3.300, 3.303, 3.299, 3.301, 3.302, 3.270]
    volts = np.tile(row, (13, 1))

    told = published(np.full((13, 8), 25.0), volts)

    assert {record["worst_cell"][-1] for record in told.values()} == {8}
    for length in ("1h", "1d"):
        assert told[length]["voltage_z"][-1][-1] == pytest.approx(-20.9, abs=0.05)
    assert "voltage_z" not in told["5min"]
    assert {*published(np.full((13, 8), 25.0), volts * NAN)["1d"]["worst_cell"]} == {None}


def test_the_influence_over_chosen_windows_is_worked_out_alike() -> None:
    warm, alone = np.array([0.0, 1.0, 3.0, 2.0]), np.array([0.0, 4.0, 0.0, 4.0])
    off = np.stack((warm, warm * 1.2, warm * 0.9, np.zeros(4), alone), axis=1)

    influence = neighbour_influence(off)

    assert influence[:2] == pytest.approx([1.0, 1.0])
    assert np.isnan(influence[3]), "a cell that never moves tells nothing"
    assert np.isnan(influence[4]), "nor does one whose only neighbour never moves"
    assert np.isnan(neighbour_influence(np.full((4, 2), NAN))).all()
