"""What the packs of a battery show together, as signals of the system."""

from pathlib import Path

import numpy as np
import pytest

from replay.signals.export import SignalExport
from replay.signals.strings import pack_signals
from stream_app.core.energy import Floats
from tests.signals.exports import SYSTEM, minutes, opened, rows_of, signal_file

TIMES = np.array([1, 2, 3])
NONE = np.nan


def signals(*packs: list[list[float]]) -> list[Floats]:
    """Highest and lowest median and largest spread of packs with a row at each time."""
    voltages = [np.array(rows) for rows in packs]
    return list(pack_signals(TIMES, [(TIMES[: len(rows)], rows) for rows in voltages]).values())


def test_one_cell_moves_the_spread_and_no_median() -> None:
    even = [[3.3, 3.3, 3.3, 3.3]] * 3
    weak = [[3.3, 3.3, 3.0, 3.3]] * 3

    highest, lowest, spread = signals(even, weak)

    assert (highest.tolist(), lowest.tolist()) == ([3.3] * 3, [3.3] * 3)
    assert spread == pytest.approx([0.3] * 3)


def test_medians_of_packs_and_the_spread_within_one_are_told_apart() -> None:
    highest, lowest, spread = signals([[3.1, 3.1, 3.2, 3.2]] * 3, [[3.5, 3.6, 3.7]] * 3)

    assert (highest[0], lowest[0], spread[0]) == pytest.approx((3.6, 3.15, 0.2))


@pytest.mark.parametrize(
    ("cells", "median"),
    [
        ([3.1, NONE, 3.2, 3.4], 3.2),
        ([3.1, NONE, NONE, 3.4], 3.25),
        ([3.1, NONE, NONE, NONE], NONE),
        ([NONE] * 4, NONE),
    ],
    ids=["one missing", "half of them", "less than half", "none"],
)
def test_half_of_the_cells_tell_a_median(cells: list[float], median: float) -> None:
    highest, lowest, _ = signals([cells] * 3)

    assert highest == pytest.approx([median] * 3, nan_ok=True)
    assert lowest == pytest.approx([median] * 3, nan_ok=True)


def test_nothing_is_told_where_a_pack_has_no_row() -> None:
    for found in signals([[3.2, 3.2]] * 3, [[3.2, 3.2]] * 2):
        assert np.isnan(found).tolist() == [False, False, True]


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_an_export_of_cells_has_them_at_the_rows_of_its_system(tmp_path: Path, rows: int) -> None:
    folder = tmp_path / "BESS" / "A"
    signal_file(folder / "bms1_soc.csv", minutes([50, 51, 52]))
    for pack, volts in ((1, 3.2), (2, 3.3)):
        for cell in (1, 2, 3):
            known = minutes([volts, volts + 0.01 * cell, volts])[: 4 - pack]
            signal_file(folder / f"bms1_p{pack}_v{cell}.csv", known)

    found = rows_of(opened(tmp_path), rows=rows)[SYSTEM, ""]

    told = [(row["pack_median_max_v"], row["pack_median_min_v"]) for _, row in found]
    assert told == [([3.3], [3.2]), ([3.32], [3.22]), ([None], [None])]


def test_a_system_without_cells_has_none_of_them(tmp_path: Path) -> None:
    signal_file(tmp_path / "BESS" / "A" / "bms1_soc.csv", minutes([50, 51]))

    (row, _) = rows_of(opened(tmp_path))[SYSTEM, ""]

    assert row[1].keys() == {"soc_ratio"}


@pytest.fixture
def stuck(tmp_path: Path) -> SignalExport:
    """Four cells that rise by 2 mV a minute, but for the third, which stays and moves at last."""
    folder = tmp_path / "BESS" / "A"
    signal_file(folder / "bms1_soc.csv", minutes([50] * 40))
    for cell in (1, 2, 3, 4):
        volts = [3.2 + 0.002 * n + 0.001 * cell for n in range(40)]
        kept = [3.2 if cell == 3 and n < 35 else round(each, 3) for n, each in enumerate(volts)]
        signal_file(folder / f"bms1_p1_v{cell}.csv", minutes(kept))
    return opened(tmp_path)


def spreads(export: SignalExport, **options: int) -> list[float | None]:
    """In mV, in time order."""
    found = [row["pack_spread_v"] for _, row in rows_of(export, **options)[SYSTEM, ""]]
    return [None if each is None else round(each * 1000) for (each,) in found]


def test_a_cell_is_no_part_of_the_spread_from_when_it_is_known_to_be_stuck_until_it_moves(
    stuck: SignalExport,
) -> None:
    found = spreads(stuck)

    moved = 15
    assert found[:moved] == [4 + 2 * n for n in range(moved)]
    assert found[moved:] == [3] * (40 - moved)


@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize("start", [0, 20, 37])
def test_what_is_stuck_is_known_wherever_reading_goes_on(
    stuck: SignalExport, rows: int, start: int
) -> None:
    assert spreads(stuck, rows=rows, start_row=start) == spreads(stuck)[start:]
