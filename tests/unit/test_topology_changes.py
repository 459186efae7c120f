"""What becomes of counted energy when the topology of a block changes."""

import numpy as np
import pytest

from stream_app.core.energy import DISCHARGED
from stream_app.core.integrator import LEDGER, LEDGER_ROWS
from stream_app.core.messages import Configure, EndOfData, Outputs, PowerSamples
from stream_app.core.succession import MOST_INPUTS_GONE
from tests.unit.blocks import MINUTE, START, Plant, power, with_inputs

HOUR = 60 * MINUTE
HALF_AN_HOUR = power([0, 15, 30], i1=[600, 600, 600])
NEXT_HALF_HOUR = power([45, 60], i1=[600, 600])
END = EndOfData(START + 60 * MINUTE)


def by_enclosure(*outputs: Outputs) -> dict[str, int]:
    """Wh of each enclosure on the first day, as last published."""
    found: dict[str, int] = {}
    for rollup in (each for every in outputs for each in every.rollups):
        if rollup.resolution == "1d":
            row = LEDGER + rollup.group * LEDGER_ROWS + DISCHARGED
            for enclosure in rollup.enclosures:
                found[enclosure] = int(rollup.run.sums[row, 0]) // 3_600_000
    return found


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ({"A1": 0.5, "A2": 0.5}, {"A1": 300_000, "A2": 300_000}),
        ({"A2": 0.5, "A1": 0.5}, {"A1": 300_000, "A2": 300_000}),
        ({"A1": 0.25, "A2": 0.75}, {"A1": 225_000, "A2": 375_000}),
        ({"A1": 1.0}, {"A1": 450_000, "A2": 150_000}),
        ({"B1": 0.5, "B2": 0.5}, {"A1": 150_000, "A2": 150_000, "B1": 150_000, "B2": 150_000}),
    ],
    ids=["the same", "in another order", "other shares", "one leaves", "all are other ones"],
)
def test_a_new_allocation_holds_from_the_last_settled_sample_on(
    first: dict[str, float], expected: dict[str, int]
) -> None:
    plant = Plant()
    inputs = {"1": first, "2": plant.topology.inputs["2"]}

    before = plant.feed(HALF_AN_HOUR)
    change = plant.feed(Configure(with_inputs(plant.topology, inputs)))
    after = plant.feed(NEXT_HALF_HOUR, END)

    assert change.refusals == []
    assert by_enclosure(before, change, after) == expected
    assert sum(expected.values()) == 600_000


def test_an_enclosure_that_left_is_published_until_its_day_is_closed_and_not_after() -> None:
    plant = Plant()
    plant.feed(HALF_AN_HOUR)
    plant.feed(Configure(with_inputs(plant.topology, {"1": {"A1": 1.0}})))

    hours = range(1, 3 * 24 + 1)
    outputs = plant.feed(power([60 * each for each in hours], i1=[600.0] * len(hours)))

    days = [
        enclosure
        for rollup in outputs.rollups
        if rollup.resolution == "1d"
        for enclosure in rollup.enclosures * rollup.run.starts.size
    ]
    assert sorted(days) == ["A1", "A1", "A1", "A2"]


def test_an_enclosure_that_comes_back_the_same_day_keeps_its_energy() -> None:
    plant = Plant()
    both, alone = plant.topology, with_inputs(plant.topology, {"1": {"A1": 1.0}})

    gone = plant.feed(HALF_AN_HOUR, Configure(alone), NEXT_HALF_HOUR)
    back = plant.feed(
        Configure(both), power([75, 90], i1=[600, 600]), EndOfData(START + 90 * MINUTE)
    )

    assert gone.refusals == []
    assert by_enclosure(gone, back) == {"A1": 600_000, "A2": 300_000}


def test_an_enclosure_does_not_move_to_another_input_with_its_energy() -> None:
    plant = Plant()
    moved = {"1": {"A1": 1.0}, "2": {"A3": 0.5, "A4": 0.25, "A2": 0.25}}

    first = plant.feed(HALF_AN_HOUR, Configure(with_inputs(plant.topology, moved)))
    dropped = plant.feed(Configure(with_inputs(plant.topology, {"1": {"A1": 1.0}})))
    days_later = power(range(24 * 60, 4 * 24 * 60, 15), i1=[1.0] * 288)
    again = plant.feed(days_later, Configure(with_inputs(plant.topology, moved)))

    assert "moves enclosure A2 to DC input 2" in first.refusals[0].reason
    assert "another id" in first.refusals[0].reason
    assert dropped.refusals == []
    assert "moves enclosure A2" in again.refusals[0].reason


def test_an_input_that_leaves_is_published_and_goes_on_where_it_was_when_it_returns() -> None:
    plant = Plant()
    other = {"2": plant.topology.inputs["2"]}

    gone = plant.feed(HALF_AN_HOUR, Configure(with_inputs(plant.topology, other)))
    refused = plant.feed(NEXT_HALF_HOUR)
    back = plant.feed(Configure(plant.topology), power([15], i1=[9]), NEXT_HALF_HOUR, END)

    assert [each.final for each in gone.rollups if each.resolution == "1d"] == [False]
    assert by_enclosure(gone) == {"A1": 150_000, "A2": 150_000}
    assert "no DC input 1" in refused.refusals[0].reason
    assert [each.times.tolist() for each in back.too_late] == [[START + 15 * MINUTE]]
    assert by_enclosure(back) == {"A1": 300_000, "A2": 300_000}


def test_topologies_without_end_are_refused_rather_than_remembered() -> None:
    plant = Plant()
    reasons = []
    for turn in range(MOST_INPUTS_GONE + 2):
        topology = with_inputs(plant.topology, {f"i{turn}": {f"E{turn}": 1.0}})
        outputs = plant.feed(Configure(topology), _one_input(f"i{turn}", turn))
        reasons += [each.reason for each in outputs.refusals]

    assert "more than 16 DC inputs" in reasons[0]
    assert len(plant.state.inputs) == MOST_INPUTS_GONE + 1


def _one_input(name: str, turn: int) -> PowerSamples:
    times = np.array([START, START + MINUTE]) + turn * HOUR
    return PowerSamples(times, {name: np.array([1.0, 1.0])})
