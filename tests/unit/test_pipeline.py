"""The flow of one power block."""

from dataclasses import replace

import numpy as np
import pytest

from stream_app.codec.state import restore, snapshot
from stream_app.core.energy import CHARGED, DISCHARGED
from stream_app.core.integrator import (
    CONFLICTS,
    GAPS,
    KNOWN_MS,
    LEDGER,
    LEDGER_ROWS,
    SAMPLES,
)
from stream_app.core.messages import Configure, EndOfData, Heartbeat, Outputs
from stream_app.core.topology import Rules
from stream_app.pipeline import MOST_WAITING, BlockState, fold
from tests.unit.blocks import MINUTE, NAN, START, Plant, block, power, with_inputs

DAY_MIN = 24 * 60
HOUR = 60 * MINUTE


def day_sums(outputs: Outputs, name: str = "1", group: int = 0) -> list[list[int]]:
    """Discharged and charged Wh, known minutes, samples, revision of the days of an input."""
    found = []
    for each in outputs.rollups:
        if each.resolution == "1d" and each.input == name and each.group == group:
            first = LEDGER + group * LEDGER_ROWS
            wh = each.run.sums[[first + DISCHARGED, first + CHARGED]] // 3_600_000
            known = each.run.sums[[KNOWN_MS]] // MINUTE
            found += np.concatenate(
                [wh, known, each.run.sums[[SAMPLES]], each.run.revisions[np.newaxis]]
            ).T.tolist()
    return found


def test_telemetry_before_its_topology_is_refused_with_the_remedy() -> None:
    outputs = fold(BlockState(), [power([0], i1=[1]), Heartbeat(START), EndOfData(START)])

    assert [each.index for each in outputs.refusals] == [0, 1, 2]
    assert "publish it before its telemetry" in outputs.refusals[0].reason


def test_an_unknown_input_is_refused_by_name_and_the_rest_is_folded() -> None:
    outputs = Plant().feed(power([0], i1=[1]), power([0], i1=[1], i9=[1]), power([5], i1=[1]))

    assert [(each.index, each.reason) for each in outputs.refusals] == [
        (1, "the topology has no DC input 9; it has 1, 2")
    ]
    assert outputs.samples == 2


def test_a_day_closes_when_the_clock_of_its_input_has_passed_it() -> None:
    plant = Plant()
    steady = power(range(0, DAY_MIN + 1, 15), i1=[600.0] * 97, i2=[NAN] * 97)

    outputs = plant.feed(steady)

    assert day_sums(outputs) == [[7_200_000, 0, DAY_MIN, 96, 1]]
    assert day_sums(outputs, "2") == []
    assert all(each.final for each in outputs.rollups)


def test_a_next_export_goes_on_where_the_end_of_data_was() -> None:
    first, second = power([0, 15], i1=[600, 600]), power([30, 45], i1=[600, 600])
    apart, together = Plant(), Plant()

    apart.feed(first, EndOfData(START + 30 * MINUTE))
    outputs = apart.feed(second, EndOfData(START + 60 * MINUTE))
    whole = together.feed(first, second, EndOfData(START + 60 * MINUTE))

    assert outputs.too_late == []
    assert day_sums(outputs) == [[225_000, 0, 45, 4, 2]]
    assert day_sums(whole) == [[225_000, 0, 45, 4, 1]]


def test_the_end_of_data_gives_the_open_day_as_it_stands() -> None:
    plant = Plant(block(Rules(method="left")))

    outputs = plant.feed(power([0, 15], i1=[600, -400]), EndOfData(START + 30 * MINUTE))

    assert day_sums(outputs) == [[75_000, 50_000, 30, 2, 1]]
    assert [each.final for each in outputs.rollups if each.resolution == "1d"] == [False]


def test_more_data_after_the_end_revises_the_day() -> None:
    plant = Plant()
    plant.feed(power([0, 15], i1=[600, 600]), EndOfData(START + 16 * MINUTE))

    again = plant.feed(power([30], i1=[600]), EndOfData(START + 31 * MINUTE))

    assert day_sums(again) == [[150_000, 0, 30, 3, 2]]


def test_a_second_end_with_nothing_new_says_nothing() -> None:
    plant = Plant()
    plant.feed(power([0, 15], i1=[600, 600]), EndOfData(START + 16 * MINUTE))

    assert plant.feed(EndOfData(START + 17 * MINUTE)).rollups == []


def test_enclosures_of_unequal_share_have_ledgers_of_their_own() -> None:
    plant = Plant(block(inputs={"1": {"A1": 0.4, "A2": 0.3, "A3": 0.3}}))

    outputs = plant.feed(power([0, 60], i1=[600, 600]), EndOfData(START + 60 * MINUTE))

    assert day_sums(outputs, group=0) == [[0, 0, 0, 2, 1]]
    assert {each.enclosures for each in outputs.rollups} == {("A1",), ("A2", "A3")}


def test_a_gap_adds_unknown_time_and_no_energy() -> None:
    outputs = Plant().feed(power([0, 15, 615, 630], i1=[600] * 4), EndOfData(START + 630 * MINUTE))

    assert day_sums(outputs) == [[150_000, 0, 30, 4, 1]]
    assert sum(_column(outputs, GAPS)) == 1


def _column(outputs: Outputs, column: int) -> list[int]:
    days = [each for each in outputs.rollups if each.resolution == "1d" and each.input == "1"]
    return [total for each in days for total in each.run.sums[column].tolist()]


def test_of_two_values_for_one_time_the_larger_in_size_is_kept_and_the_conflict_counted() -> None:
    plant = Plant(block(Rules(lateness_ms=5 * MINUTE)))

    outputs = plant.feed(
        power([0, 0, 15, 15, 15], i1=[600, -700, 0, 600, 600]), EndOfData(START + 30 * MINUTE)
    )

    assert _column(outputs, SAMPLES) == [2]
    assert _column(outputs, CONFLICTS) == [2]


def test_late_samples_are_given_back_as_they_came() -> None:
    late = Plant().feed(power([0, 30, 15], i1=[1, 2, 3], i2=[1, 2, NAN])).too_late

    assert [(each.input, each.times.tolist(), each.power.tolist()) for each in late] == [
        ("1", [START + 15 * MINUTE], [3000.0])
    ]


def test_the_same_topology_again_changes_nothing() -> None:
    plant = Plant()
    plant.feed(power([0, 15], i1=[600, 600]))
    before = snapshot(plant.state)
    plant.feed(Configure(block()))
    assert snapshot(plant.state) == before

    outputs = plant.feed(Configure(block()), power([30], i1=[600]), EndOfData(START + 30 * MINUTE))

    assert day_sums(outputs) == [[150_000, 0, 30, 3, 1]]


def test_a_topology_that_changes_the_zone_of_counted_days_is_refused() -> None:
    plant = Plant()
    plant.feed(power([0, 15, 30], i1=[600, 600, 600]))

    outputs = plant.feed(Configure(replace(plant.topology, zone="Asia/Tokyo")))

    assert "the zone UTC" in outputs.refusals[0].reason
    assert "another site name" in outputs.refusals[0].reason
    assert day_sums(plant.feed(EndOfData(START + 30 * MINUTE))) == [[150_000, 0, 30, 3, 1]]


def test_a_topology_may_change_where_no_energy_is_counted_yet() -> None:
    plant = Plant()
    plant.feed(power([0, 15], i1=[600, 600]))
    inputs = {"1": plant.topology.inputs["1"], "3": {"B1": 1.0}}

    assert plant.feed(Configure(with_inputs(plant.topology, inputs))).refusals == []
    assert plant.feed(power([30], i3=[1])).refusals == []


def test_a_resolution_that_goes_publishes_its_window_and_comes_back_empty() -> None:
    plant = Plant()
    plant.feed(power([0, 15], i1=[600, 600]))
    rules = plant.topology.rules
    without = replace(plant.topology, rules=replace(rules, resolutions=("15min",)))

    gone = plant.feed(Configure(without), power([30, 75], i1=[600, 600]))
    back = plant.feed(Configure(plant.topology), power([90, 150], i1=[600, 600]))

    hours = [each for each in gone.rollups if each.resolution == "1h"]
    assert [each.final for each in hours] == [False]
    assert all(
        each.run.starts[0] >= START + 60 * MINUTE
        for each in back.rollups
        if each.resolution == "1h"
    )


def test_two_samples_of_one_time_that_were_set_aside_count_as_one() -> None:
    plant = Plant()
    plant.feed(power([-15, 0, 6000, 6000], i1=[1, 1, 2, 3]))

    outputs = plant.feed(EndOfData(START + 6001 * MINUTE))

    assert sum(_column(outputs, SAMPLES)) == 2
    assert sum(_column(outputs, CONFLICTS)) == 1


def test_days_of_silence_up_to_the_end_of_data_are_said_to_be_unknown() -> None:
    plant = Plant()
    plant.feed(power([0, 15], i1=[600, 600]))

    outputs = plant.feed(EndOfData(START + 2 * DAY_MIN * MINUTE))

    assert day_sums(outputs) == [[75_000, 0, 15, 2, 1], [0, 0, 0, 0, 1]]


def test_an_end_of_data_far_ahead_settles_a_day_and_no_more() -> None:
    plant = Plant()
    plant.feed(power([0, 15], i1=[600, 600]))

    outputs = plant.feed(EndOfData(START + 20_000 * DAY_MIN * MINUTE))
    after = plant.feed(power([DAY_MIN, DAY_MIN + 16, DAY_MIN + 31], i1=[1, 2, 3]))

    assert day_sums(outputs) == [[75_000, 0, 15, 2, 1], [0, 0, 0, 0, 1]]
    assert [each.times.tolist() for each in after.too_late] == [[START + DAY_MIN * MINUTE]]
    assert plant.state.inputs["1"].clock.now == START + (DAY_MIN + 31) * MINUTE


def test_an_end_of_data_before_any_sample_settles_nothing() -> None:
    plant = Plant()

    plant.feed(EndOfData(START + 60 * MINUTE))

    assert plant.feed(power([0, 15], i1=[600, 600])).too_late == []


def test_a_file_of_one_sample_is_a_file() -> None:
    outputs = Plant().feed(power([0], i1=[600]), EndOfData(START + 15 * MINUTE))

    assert day_sums(outputs) == [[0, 0, 0, 1, 1]]


@pytest.mark.parametrize("start", [0, 8 * DAY_MIN], ids=["before", "beyond"])
def test_a_heartbeat_is_believed_a_week_beyond_what_was_heard(start: int) -> None:
    plant = Plant()
    plant.feed(power([start, start + 15], i1=[600, 600]))

    week = START + (start + 15 + 7 * DAY_MIN) * MINUTE
    believed, refused = plant.feed(Heartbeat(week)), plant.feed(Heartbeat(week * 2))

    assert believed.refusals == []
    assert "check the sender's clock" in refused.refusals[0].reason
    assert plant.state.heard == week


def test_a_heartbeat_before_any_sample_says_nothing() -> None:
    plant = Plant()

    plant.feed(Heartbeat(START + 40_000 * DAY_MIN * MINUTE), power([0, 15], i1=[600, 600]))

    assert plant.state.heard is None
    assert plant.feed(Heartbeat(START + 16 * MINUTE)).refusals == []


@pytest.mark.parametrize(
    ("silent_days", "hours", "days"),
    [(2, 48, 2), (3, 1, 3), (400, 1, 400), (401, 1, 1), (18_000, 1, 1)],
)
def test_a_long_silence_is_told_by_days_and_the_longest_not_at_all(
    silent_days: int, hours: int, days: int
) -> None:
    plant = Plant(block(Rules(resolutions=("1h",))))
    back = silent_days * DAY_MIN + 15

    outputs = plant.feed(
        power([0, 15, back, back + 15], i1=[600] * 4), EndOfData(START + (back + 30) * MINUTE)
    )

    closed = [each.run for each in outputs.rollups if each.final and each.input == "1"]
    opened = [each.run for each in outputs.rollups if not each.final and each.input == "1"]
    assert [run.starts.size for run in closed] == [hours, days]
    assert [run.starts.size for run in opened] == [1, 1]
    assert sum(day[0] for day in day_sums(outputs)) == 150_000
    assert [each.run.starts[-1] for each in outputs.rollups if each.resolution == "1h"][-1] <= (
        START + back * MINUTE
    )


def test_more_samples_than_may_wait_are_settled_early_and_later_ones_are_too_late() -> None:
    plant = Plant(block(Rules(lateness_ms=7 * DAY_MIN * MINUTE)))
    limit = MOST_WAITING // 2
    minutes = np.arange(limit + 1) / 2
    full = [600.0] * len(minutes)
    plant.feed(power(minutes, i1=full, i2=full))

    size = len(snapshot(plant.state))
    late = plant.feed(power([0.25, limit / 2 - 0.25], i1=[1, 2])).too_late

    assert [len(each.pending) for each in plant.state.inputs.values()] == [
        limit // 2 + 1,
        limit // 2,
    ]
    assert [each.times.tolist() for each in late] == [[START + MINUTE // 4]]
    assert size < 1_000_000
    assert len(snapshot(plant.state)) < 1_000_000


def test_the_energy_since_the_start_rolls_over_like_a_meter() -> None:
    plant = Plant(block(Rules(max_gap_ms=7 * DAY_MIN * MINUTE, skew_ms=7 * DAY_MIN * MINUTE)))
    weeks = range(0, 53 * 5 * 7 * DAY_MIN, 7 * DAY_MIN)

    plant.feed(power(weeks, i1=[100_000.0] * len(weeks)))

    counted = (len(weeks) - 1) * 7 * DAY_MIN * MINUTE * 50_000_000
    assert counted > 1 << 62
    assert plant.state.inputs["1"].energy[0] == [counted % (1 << 62), 0]
    assert restore(snapshot(plant.state)) == plant.state


def test_what_an_end_of_data_published_is_revised_also_at_the_edge_of_a_silence() -> None:
    held = Rules(method="left", interval_ms=HOUR, resolutions=("15min",))
    plant = Plant(block(held))
    before = plant.feed(power([0, 15], i1=[600, 600]), EndOfData(START + HOUR))
    plant.feed(Configure(block(replace(held, method="trapezoid"))))

    after = plant.feed(power([4 * DAY_MIN, 4 * DAY_MIN + 15], i1=[600, 600]))

    newest: dict[int, int] = {}
    for each in (*before.rollups, *after.rollups):
        if each.resolution == "15min" and each.input == "1":
            discharged = each.run.sums[LEDGER + DISCHARGED] // 3_600_000
            newest |= dict(zip(each.run.starts.tolist(), discharged.tolist(), strict=True))
    assert list(newest.values()) == [75_000, 0, 0, 0, 0, 75_000]
