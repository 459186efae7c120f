"""What becomes of rows that go back in time in the middle of a file."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from replay.signals.ordering import LOOK_AHEAD
from tests.replay.nights import autumn_night
from tests.signals.exports import SYSTEM, at, opened, rows_of, signal_file, values

SLICES = [5_000, None]
FIRST = range(400)
REST = range(400, 700)
LONG = range(4000, 4000 + LOOK_AHEAD + 500)


@pytest.mark.parametrize("slice_bytes", SLICES)
@pytest.mark.parametrize(
    ("minutes", "taken", "moved", "refused"),
    [
        ([*FIRST, *REST], range(700), 0, 0),
        ([*FIRST, *REST[::-1], *range(700, 800)], range(800), 299, 0),
        ([*FIRST, *REST[:2][::-1], *REST[2:]], range(700), 1, 0),
        ([*FIRST, *REST[150:], *REST[:150]], range(700), 150, 0),
        ([*FIRST, *REST[150:], *REST[:150], *range(700, 800)], range(800), 150, 0),
        ([*FIRST[:20][::-1], *FIRST[20:]], FIRST, 19, 0),
        ([*FIRST, *FIRST[340:], *REST], range(700), 0, 59),
        ([*FIRST, *REST, *FIRST, *REST], range(700), 0, 699),
        ([*FIRST, *range(500, 600), *range(550, 700)], [*FIRST, *range(500, 700)], 49, 0),
        (
            [*range(4000), *LONG[::-1], *range(4000, 4300)],
            [*range(4000), *LONG[499:]],
            LOOK_AHEAD,
            799,
        ),
    ],
    ids=[
        "in order",
        "a stretch newest first",
        "two rows changed places",
        "two stretches changed places at the end",
        "two stretches changed places",
        "the beginning newest first",
        "an hour repeated",
        "the file pasted twice",
        "an hour repeated after a gap",
        "a stretch newest first longer than the look-ahead",
    ],
)
def test_rows_that_go_back_are_put_in_order_or_refused_and_told(
    tmp_path: Path,
    minutes: list[int],
    taken: range | list[int],
    moved: int,
    refused: int,
    slice_bytes: int | None,
) -> None:
    signal_file(tmp_path / "A/bms1_soc.csv", [(at(60 * n), n % 100) for n in minutes])
    export = replace(opened(tmp_path), slice_bytes=slice_bytes)

    found = values(rows_of(export)[SYSTEM, ""], "soc_ratio")

    assert found == {n: [n % 100 / 100] for n in taken}
    assert export.issues.put_in_order.count == moved
    assert export.issues.refused_rows == refused
    back = int(np.argmax(np.diff(minutes, append=-1) < 0)) + 2
    place = f"{tmp_path.name}/A/bms1_soc.csv row {back}"
    assert (moved + refused > 0) == any(place in line for line in export.issues.lines())


@pytest.mark.parametrize("slice_bytes", [60, None])
def test_the_repeated_hour_is_told_apart_in_a_stretch_that_comes_newest_first(
    tmp_path: Path, slice_bytes: int | None
) -> None:
    wall, instants = autumn_night()
    day = timedelta(days=1)
    rows = [*(each - day for each in wall), *wall[::-1], *(each + day for each in wall)]
    signal_file(tmp_path / "A/bms1_soc.csv", [(time, 50) for time in rows])
    export = opened(
        tmp_path,
        parsing={"timezone": "Europe/Berlin"},
        data={"paths": [str(tmp_path)], "interval": "15min"},
    )

    found = [time for time, _ in rows_of(replace(export, slice_bytes=slice_bytes))[SYSTEM, ""]]

    assert [time for time in found if instants[0] <= time <= instants[-1]] == instants
