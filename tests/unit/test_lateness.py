"""Samples later than the lateness: which are folded after all, what is published, and when."""

from dataclasses import replace
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.results import RollupRecord
from stream_app.codec.results import days, rollup_record
from stream_app.core.energy import W_MS_PER_KWH
from stream_app.core.holes import LONGEST_MS, MOST, Hole, holes_between, kept, touched
from stream_app.core.messages import Configure, EndOfData, Heartbeat, Outputs
from stream_app.core.topology import Rules
from tests.unit.blocks import MINUTE, START, Plant, block, power

HOUR = 60 * MINUTE
DAY = 24 * HOUR
RULES = Rules(
    interval_ms=15 * MINUTE, max_gap_ms=45 * MINUTE, correction_ms=2 * DAY, resolutions=("1h",)
)
ONE = {"1": {"A1": 1.0}}


def plant(rules: Rules = RULES) -> Plant:
    return Plant(block(rules, inputs=ONE))


def hours(outputs: Outputs) -> list[tuple[float, int, str | None, float, int]]:
    """Windows of an hour: start [h], revision, reason, discharged [kWh], samples."""
    found = []
    for each in outputs.rollups:
        record = rollup_record(each)
        if record.resolution == "1h":
            found += [
                (
                    (start - START) / HOUR,
                    record.revision[at],
                    record.reason,
                    round(record.discharged_w_ms[at] / W_MS_PER_KWH, 6),
                    record.samples[at],
                )
                for at, start in enumerate(record.start)
            ]
    return found


def records(outputs: Outputs) -> list[RollupRecord]:
    return [rollup_record(each) for each in outputs.rollups if each.resolution == "1h"]


def late(outputs: Outputs) -> list[tuple[str, list[float]]]:
    return [(each.reason, ((each.times - START) / MINUTE).tolist()) for each in outputs.too_late]


def with_a_hole() -> Plant:
    """8 kW, but nothing between 0:45 and 2:15; the clock is at 4:00."""
    running = plant()
    minutes = [*range(0, 46, 15), *range(135, 241, 15)]
    running.feed(power(minutes, i1=[8] * len(minutes)))
    return running


def test_a_sample_that_fills_a_hole_revises_its_windows_when_the_slot_is_over() -> None:
    running = with_a_hole()

    at_once = running.feed(power([90], i1=[8]))
    before_the_edge = running.feed(power([244], i1=[8]))
    after_it = running.feed(power([246], i1=[8]))

    assert hours(at_once) == hours(before_the_edge) == []
    assert hours(after_it) == [
        (0, 2, "late_data", 8, 4),
        (1, 2, "late_data", 8, 1),
        (2, 2, "late_data", 8, 3),
    ]


def test_a_revision_tells_what_changed() -> None:
    running = with_a_hole()
    running.feed(power([90], i1=[-4]))

    (record,) = records(running.feed(power([255], i1=[8])))

    kwh = W_MS_PER_KWH
    # 45 min from 8 kW to -4 kW cross zero after 30 min: 2 kWh out, 0.5 kWh in, on either side.
    assert sum(record.delta_discharged_w_ms or []) == pytest.approx(4 * kwh, rel=1e-9)
    assert sum(record.delta_charged_w_ms or []) == pytest.approx(1 * kwh, rel=1e-9)
    assert record.quality.gaps == [0, 0, 0] or record.quality.gaps is None


def test_what_comes_in_one_slot_is_one_revision_and_what_comes_later_another() -> None:
    running = with_a_hole()

    first = running.feed(power([60, 75, 246], i1=[8, 8, 8]))
    second = running.feed(power([90, 105, 251], i1=[8, 8, 8]))
    third = running.feed(power([120, 256], i1=[8, 8]))

    assert [row[:2] for row in hours(first)] == [(0, 2), (1, 2)]
    assert [row[:2] for row in hours(second)] == [(1, 3), (2, 2)]
    assert hours(third) == [(2, 3, "late_data", 8, 4)]


@pytest.mark.parametrize(
    ("end", "published"),
    [
        (Heartbeat(START + 244 * MINUTE), False),
        (Heartbeat(START + 245 * MINUTE), True),
        (EndOfData(START + 241 * MINUTE), True),
    ],
    ids=["heartbeat in the slot", "heartbeat after it", "end of data"],
)
def test_revisions_do_not_wait_for_a_sample(end: Heartbeat | EndOfData, published: bool) -> None:
    running = with_a_hole()
    running.feed(power([90], i1=[8]))

    found = [row for row in hours(running.feed(end)) if row[2] == "late_data"]

    assert bool(found) is published


def test_what_is_changed_in_an_open_window_is_no_revision() -> None:
    running = plant()
    running.feed(power([0, 15, 45], i1=[8, 8, 8]))

    running.feed(power([30], i1=[-8]))

    assert hours(running.feed(power([60, 75], i1=[8, 8]))) == [(0, 1, None, 5, 4)]


@pytest.mark.parametrize(
    ("minute", "reason"),
    [
        (45, "no_gap"),
        (50, None),
        (90, None),
        (230, "no_gap"),
        (-1, "no_gap"),
        (240 - 2 * 24 * 60, "beyond_horizon"),
    ],
    ids=[
        "a double",
        "near its neighbour",
        "in the hole",
        "between neighbours",
        "before all",
        "old",
    ],
)
def test_a_late_sample_that_falls_into_no_hole_goes_to_the_too_late_ones(
    minute: float, reason: str | None
) -> None:
    found = late(with_a_hole().feed(power([minute], i1=[8])))

    assert found == ([] if reason is None else [(reason, [minute])])


def test_without_a_correction_nothing_late_is_folded() -> None:
    running = plant(replace(RULES, correction_ms=0))
    running.feed(power([0, 15, 60], i1=[1, 1, 1]))

    assert late(running.feed(power([45], i1=[1]))) == [("beyond_horizon", [45])]


def test_behind_the_last_settled_sample_a_late_one_needs_no_hole() -> None:
    """The clock is past it by the lateness, but nothing after it is settled."""
    running = plant(
        Rules(interval_ms=15 * MINUTE, max_gap_ms=DAY, lateness_ms=15 * MINUTE, correction_ms=DAY)
    )
    running.feed(power([0, 90], i1=[4, 4]))

    outputs = running.feed(power([60, 240, 300], i1=[-4, 4, 4]))

    assert late(outputs) == []
    ordered = plant(running.topology.rules)
    ordered.feed(power([0, 60, 90, 240, 300], i1=[4, -4, 4, 4, 4]))
    assert ordered.state.inputs["1"].windows == running.state.inputs["1"].windows


def test_a_sample_before_an_end_of_data_that_had_been_declared_is_folded() -> None:
    running = plant()
    running.feed(power([0, 15], i1=[8, 8]), EndOfData(START + 61 * MINUTE))

    outputs = running.feed(power([30, 45, 60, 75], i1=[8, 8, 8, 8]))

    assert late(outputs) == []
    assert hours(outputs) == [(0, 2, "end_of_data", 8, 4)]


def test_a_closed_day_is_revised_too() -> None:
    running = plant()
    minutes = [*range(0, 46, 15), *range(135, 26 * 60, 15)]
    running.feed(power(minutes, i1=[8] * len(minutes)))

    outputs = running.feed(power([90], i1=[8]), EndOfData(START + 26 * HOUR))

    first, *_ = [day for each in outputs.rollups if each.resolution == "1d" for day in days(each)]
    assert (first.revision, first.reason, first.final) == (2, "late_data", True)
    assert first.delta_discharged_w_ms == 12 * W_MS_PER_KWH
    assert first.discharged_w_ms == 8 * 24 * W_MS_PER_KWH


def test_a_change_of_the_rules_ends_the_correction_of_what_was_before() -> None:
    running = with_a_hole()
    changed = block(Rules(interval_ms=MINUTE, correction_ms=DAY, resolutions=("1h",)), inputs=ONE)

    outputs = running.feed(power([90], i1=[8]), Configure(changed))
    after = running.feed(power([100], i1=[8]))

    assert [row[:3] for row in hours(outputs)] == [
        (0, 2, "late_data"),
        (1, 2, "late_data"),
        (2, 2, "late_data"),
    ]
    assert late(after) == [("no_gap", [100])]


def test_the_same_topology_once_more_changes_nothing() -> None:
    running = with_a_hole()

    running.feed(Configure(running.topology))

    assert late(running.feed(power([90], i1=[8]))) == []


def test_the_running_counters_follow_first_counts_only() -> None:
    """A counter of Prometheus must never fall: what late samples change is in the windows."""
    running = with_a_hole()
    before = [*running.state.inputs["1"].energy]

    running.feed(power([90], i1=[-8]))

    assert running.state.inputs["1"].energy == before


def test_alarms_stay_as_they_were_given_and_late_samples_give_none() -> None:
    assert with_a_hole().feed(power([60, 75, 90, 105, 120, 255], i1=[8] * 6)).findings == []


def test_holes_are_the_newest_within_the_horizon_and_the_bounds() -> None:
    times = np.arange(0, 200 * HOUR, HOUR, dtype=np.int64)

    holes = holes_between(times, np.zeros(times.size), 15 * MINUTE)

    assert len(holes) == MOST
    assert holes[-1][2] == times[-1]
    assert kept(holes, holes[10][2], ["1h"], 1000) == holes[11:]
    long: list[Hole] = [(0, 0.0, HOUR, 0.0), (HOUR, 0.0, LONGEST_MS + HOUR, 0.0)]
    assert kept(long, 0, ["1h"], 1000) == long[1:]


@pytest.mark.parametrize(
    ("resolutions", "most_closed", "expected"),
    [(["1h"], 6, 2), (["1h"], 5, 1), (["1h", "1d"], 10, 2), (["1h", "1d"], 9, 1), (["1h"], 2, 0)],
)
def test_holes_are_the_newest_that_touch_no_more_windows_than_there_is_room_for(
    resolutions: list[str], most_closed: int, expected: int
) -> None:
    """An hour touches three windows of an hour at most, and two days."""
    holes: list[Hole] = [(at * HOUR, 0.0, (at + 1) * HOUR, 0.0) for at in range(5)]

    assert kept(holes, 0, resolutions, most_closed) == holes[5 - expected :]


@given(
    lengths=st.lists(st.integers(1, 30 * HOUR), max_size=80),
    cut=st.integers(0, 80),
    most_closed=st.integers(0, 2000),
)
def test_the_holes_that_are_kept_do_not_depend_on_how_they_came(
    lengths: list[int], cut: int, most_closed: int
) -> None:
    edges = [0, *accumulate(lengths)]
    holes: list[Hole] = [(a, 0.0, b, 0.0) for a, b in pairwise(edges)]

    def keep(some: list[Hole]) -> list[Hole]:
        return kept(some, HOUR, ["5min", "1d"], most_closed)

    assert keep(keep(holes[:cut]) + holes[cut:]) == keep(holes)


def test_the_holes_of_a_block_with_two_inputs_fit_as_far_as_the_correction_reaches() -> None:
    """Three enclosures with a share each, all resolutions, a gap of two days in each input."""
    shares = {name: {f"{name}{at}": at / 6 for at in (1, 2, 3)} for name in ("1", "2")}
    rules = Rules(interval_ms=MINUTE, max_gap_ms=3 * DAY, correction_ms=2 * DAY)
    running = Plant(block(rules, inputs=shares))
    minutes = [0, 1, 2, 2 * 24 * 60 - 10, 2 * 24 * 60]

    running.feed(power(minutes, i1=[8] * 5, i2=[8] * 5))

    assert [len(each.holes) for each in running.state.inputs.values()] == [2, 2]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 10, False),
        (5, 11, True),
        (12, 18, True),
        (20, 30, True),
        (21, 30, False),
        (30, 41, True),
    ],
)
def test_a_hole_touches_windows_from_its_first_neighbour_to_that_of_its_last(
    start: int, end: int, expected: bool
) -> None:
    holes: list[Hole] = [(10, 0.0, 20, 0.0), (40, 0.0, 50, 0.0)]

    assert touched(holes, np.array([start]), np.array([end])).tolist() == [expected]


def test_closed_windows_are_remembered_only_as_long_as_a_hole_touches_them() -> None:
    running = with_a_hole()
    state = running.state.inputs["1"]
    held = {name: len(window.closed) for name, window in state.windows.items()}

    running.feed(power([60, 75, 90, 105, 120, 255], i1=[8] * 6))

    assert held == {"1h": 2, "1d": 0}
    assert [len(window.closed) for window in state.windows.values()] == [0, 0]
