"""State written by an earlier version is read today; what is written today is what was."""

from pathlib import Path

import pytest

from stream_app.codec.state import FORMAT, MIGRATIONS, restore, snapshot
from stream_app.core.messages import EndOfData
from stream_app.pipeline import BlockState, fold
from tests.unit.blocks import MINUTE, START, power
from tests.unit.test_state_codec import busy

FOLDER = Path(__file__).parent
FORMATS = range(1, FORMAT + 1)


def golden(version: int) -> bytes:
    return (FOLDER / f"state_{version}.msgpack").read_bytes()


def test_the_format_of_the_state_has_not_changed_unsaid() -> None:
    """A change here needs a new FORMAT, and a reader of the old."""
    assert snapshot(busy()) == golden(FORMAT)


@pytest.mark.parametrize("version", FORMATS)
def test_a_state_of_yesterday_goes_on_where_it_was(version: int) -> None:
    yesterday, today = restore(golden(version)), busy()
    more = [power([75, 90], i1=[1, 2], i2=[3, 4]), EndOfData(START + 100 * MINUTE)]

    outputs, expected = fold(yesterday, more), fold(today, more)

    assert isinstance(yesterday, BlockState)
    assert [each.resolution for each in outputs.rollups] == [r.resolution for r in expected.rollups]
    assert yesterday == today


def test_every_older_format_has_its_migration() -> None:
    assert list(MIGRATIONS) == list(range(1, FORMAT))
