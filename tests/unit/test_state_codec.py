"""State as bytes."""

import pytest

from stream_app.codec.state import FORMAT, restore, snapshot
from stream_app.core.messages import EndOfData
from stream_app.core.topology import Rules
from stream_app.pipeline import BlockState
from tests.unit.blocks import MINUTE, START, Plant, block, power

RULES = Rules(lateness_ms=20 * MINUTE, rating_w=500_000.0)


def busy() -> BlockState:
    """A state with something in every field."""
    plant = Plant(block(RULES))
    plant.feed(power([0, 15, 30, 600], i1=[600, 600, 0, 5], i2=[1, 2, 3, 4]))
    plant.feed(EndOfData(START + 31 * MINUTE), power([45, 60], i1=[600, 700], i2=[1, 2]))
    return plant.state


def test_restored_state_is_the_state() -> None:
    state = busy()

    assert restore(snapshot(state)) == state
    assert state.inputs["1"].rules.active
    assert state.inputs["1"].pending
    assert state.inputs["1"].clock.ahead
    assert state.inputs["1"].windows["1d"].published


def test_equal_states_give_equal_bytes() -> None:
    assert snapshot(busy()) == snapshot(busy())
    assert snapshot(restore(snapshot(busy()))) == snapshot(busy())


def test_no_bytes_are_an_empty_state() -> None:
    assert restore(None) == BlockState()


def test_state_bytes_begin_with_their_format() -> None:
    assert snapshot(BlockState())[0] == FORMAT


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        bytes((FORMAT + 1,)) + snapshot(BlockState())[1:],
        b"\x01\x93\x01",
        snapshot(busy())[:-1],
        bytes((FORMAT,)),
        bytes((FORMAT,)) + b"\x93\x01",
    ],
    ids=[
        "empty",
        "format 0",
        "newer format",
        "other shape of format 1",
        "cut off",
        "only a format",
        "other shape",
    ],
)
def test_bytes_that_are_no_state_of_this_program_are_refused(data: bytes) -> None:
    with pytest.raises(
        ValueError, match=r"run the newer version again|state of format|truncated|Expected"
    ):
        restore(data)
