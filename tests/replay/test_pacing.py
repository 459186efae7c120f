"""When rows are due, and what goes into one transaction."""

import numpy as np
import pytest

from replay.export import Batch
from replay.pacing import ClockMode, Timeline, rows_at_once
from replay.records import parcels
from stream_app.core.messages import PowerSamples

MINUTE = 60_000
T0 = 1_700_000_000_000
NOW = 1_800_000_000_000


def timeline(mode: ClockMode, speed: float | None, shift_ms: int = 0) -> Timeline:
    return Timeline(mode, speed, first_ms=T0, started_ms=NOW, started=100.0, shift_ms=shift_ms)


def batch(row: int, *minutes: int) -> Batch:
    times = np.array([T0 + minute * MINUTE for minute in minutes], dtype=np.int64)
    samples = PowerSamples(times, {"1": np.ones(times.size), "2": np.full(times.size, np.nan)})
    return Batch("a", row, times, [("s/b", samples)] if minutes else [], T0)


@pytest.mark.parametrize(
    ("speed", "interval_ms", "rows"),
    [
        (None, MINUTE, 500),
        (1, MINUTE, 1),
        (1, 1000, 1),
        (60, 1000, 60),
        (600, 15 * MINUTE, 1),
        (1e9, 1000, 500),
        (1, 100, 10),
    ],
)
def test_a_block_holds_the_rows_that_are_due_within_a_second(
    speed: float | None, interval_ms: int, rows: int
) -> None:
    assert rows_at_once(500, speed, interval_ms) == rows


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("event", T0 + 90_000), ("shift", T0 + 90_000 + 5), ("now", NOW + 1500)],
)
def test_rows_carry_the_time_of_the_chosen_clock(mode: ClockMode, expected: int) -> None:
    assert timeline(mode, 60, shift_ms=5).moved(T0 + 90_000) == expected


@pytest.mark.parametrize(("speed", "due"), [(1, 160.0), (60, 101.0), (None, 100.0)])
def test_rows_are_due_when_their_event_time_has_come(speed: float | None, due: float) -> None:
    assert timeline("event", speed).due(T0 + MINUTE) == due


def test_at_full_speed_a_parcel_fills_up_with_samples() -> None:
    given = [batch(2, 0, 1), batch(4, 2, 3), batch(6, 4, 5)]

    found = list(parcels(iter(given), timeline("event", None), "p", samples=3))

    assert [(p.next_row, p.rows, p.samples, p.is_last) for p in found] == [
        (4, 4, 4, False),
        (6, 2, 2, True),
    ]


def test_a_paced_parcel_is_one_batch_with_rows() -> None:
    given = [batch(1, 0), batch(2), batch(3, 2)]

    found = list(parcels(iter(given), timeline("event", 60), "p"))

    assert [(p.next_row, p.rows, p.is_last) for p in found] == [
        (1, 1, False),
        (3, 1, True),
    ]
