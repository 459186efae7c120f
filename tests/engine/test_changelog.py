"""Which states of the changelog count: those of whole commits by the owner of their time."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.engine.changelog import EPOCH_HEADER, Groups
from stream_app.engine.position import (
    OWNER_KEY,
    POSITION_KEY,
    Position,
    decode_position,
    encode_owner,
    encode_position,
)


@dataclass
class Record:
    offset: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


Line = tuple[str, object] | tuple[str, object, int]


def log(*lines: Line) -> list[Record]:
    """Records of (key, value, epoch); the key ``at`` is a position, ``owner`` an owner."""
    found = []
    for offset, (key, value, *epoch) in enumerate(lines):
        by = epoch[0] if epoch else 0
        headers = ((EPOCH_HEADER, str(by).encode()),) if by else ()
        if key == "at":
            position = encode_position(Position(None, {"source": int(str(value))}, by))
            found.append(Record(offset, POSITION_KEY, position, headers))
        elif key == "owner":
            found.append(Record(offset, OWNER_KEY, encode_owner(by, f"worker {offset}"), headers))
        else:
            found.append(Record(offset, str(key).encode(), str(value).encode(), headers))
    return found


def states(groups: Groups) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in groups.states.items()}


@pytest.mark.parametrize(
    ("lines", "expected", "folded"),
    [
        pytest.param([("a", 1), ("b", 1), ("at", 5)], {"a": "1", "b": "1"}, 5, id="one commit"),
        pytest.param([("a", 1), ("at", 5), ("a", 2)], {"a": "1"}, 5, id="an unfinished commit"),
        pytest.param(
            [("a", 1), ("at", 5), ("a", 2), ("owner", "", 1), ("a", 3, 1), ("at", 9, 1)],
            {"a": "3"},
            9,
            id="a commit that its owner's successor voids",
        ),
        pytest.param(
            [("a", 1, 1), ("at", 5, 1), ("owner", "", 2), ("a", 9, 1), ("at", 8, 1)],
            {"a": "1"},
            5,
            id="an owner who wrote after being replaced",
        ),
        pytest.param(
            [("owner", "", 2), ("a", 9, 1), ("b", 2, 2), ("at", 8, 1), ("at", 7, 2)],
            {"b": "2"},
            7,
            id="two owners taking turns",
        ),
        pytest.param(
            [("a", 1, 1), ("b", 3, 3), ("at", 7, 3)],
            {"a": "1", "b": "3"},
            7,
            id="a compacted log, whose older positions are gone",
        ),
    ],
)
def test_whole_commits_of_the_owner_count(
    lines: list[Line], expected: dict[str, str], folded: int
) -> None:
    groups = Groups(Position())

    groups.feed(log(*lines))

    assert states(groups) == expected
    assert groups.position.offsets == {"source": folded}


commits = st.lists(
    st.tuples(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)), st.integers(0, 99)),
    max_size=8,
)


@given(commits, st.integers(1, 5))
def test_reading_in_pieces_gives_the_same_and_leaves_nothing_out(
    written: list[tuple[dict[str, int], int]], size: int
) -> None:
    lines: list[Line] = []
    for changed, folded in written:
        lines += [*changed.items(), ("at", folded)]
    records = log(*lines)
    whole, pieces = Groups(Position()), Groups(Position())

    whole.feed(records)
    taken: dict[bytes, bytes] = {}
    for first in range(0, len(records), size):
        pieces.feed(records[first : first + size])
        taken |= pieces.take()

    assert taken == whole.states
    assert pieces.position == whole.position
    newest = {key: value for changed, _ in written for key, value in changed.items()}
    assert states(whole) == {key: str(value) for key, value in newest.items()}


def test_a_position_names_the_offset_after_itself() -> None:
    position = Position(None, {"telemetry": 7}, 4, 9, "me", {"telemetry": (6, 123)})

    assert decode_position(encode_position(position), 12) == replace(position, changelog=12)


@pytest.mark.parametrize(
    "value", ['{"bess.telemetry.v1": 41}', '{"offsets": {"bess.telemetry.v1": 41}, "epoch": 0}']
)
def test_positions_of_earlier_formats_are_read(value: str) -> None:
    assert decode_position(value.encode(), 3) == Position(3, {"bess.telemetry.v1": 41})


def test_of_two_owners_that_begin_the_same_epoch_the_first_has_it() -> None:
    groups = Groups(Position())

    groups.feed(log(("owner", "", 1), ("owner", "", 1)))

    assert (groups.position.epoch, groups.position.owner) == (1, "worker 0")
