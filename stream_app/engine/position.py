"""Where a partition's state stands: the source offsets it has folded and who wrote it."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

POSITION_KEY = b"__position"
"""Changelog key of the position that the states before it make up; it closes their group."""
OWNER_KEY = b"__owner"
"""Changelog key of the owner's epoch."""

MARKERS = 1

Mark = tuple[int, int]
"""Offset and CRC-32 of a source record: another one there means another topic."""


@dataclass(frozen=True)
class Position:
    """What the states of a partition show.

    Attributes
    ----------
    changelog
        Next changelog offset to apply, None where there is nothing yet.
    offsets
        Source topic -> next source offset to fold.
    epoch
        Owner that wrote it. Rises at each take-over where transactions do not fence the last owner;
        what a lower epoch writes later is void.
    letters
        Refused records so far of the stretch of source offsets in which the last folded one lies.
    owner
        Who began the epoch, of those who may have tried at the same time.
    marks
        Source topic -> newest record that was folded.
    """

    changelog: int | None = None
    offsets: Mapping[str, int] = field(default_factory=dict)
    epoch: int = 0
    letters: int = 0
    owner: str = ""
    marks: Mapping[str, Mark] = field(default_factory=dict)


class _PositionRecord(msgspec.Struct):
    offsets: dict[str, int]
    epoch: int = 0
    letters: int = 0
    owner: str = ""
    marks: dict[str, Mark] = {}


def encode_position(position: Position) -> bytes:
    """Value of the position record that ends a commit; its own place is no part of it."""
    record = _PositionRecord(
        dict(position.offsets),
        position.epoch,
        position.letters,
        position.owner,
        dict(position.marks),
    )
    return msgspec.json.encode(record)


def decode_position(value: bytes, changelog: int) -> Position:
    """The position that a record brings, where ``changelog`` is the offset after it.

    Records of the first format held the offsets alone.

    Raises
    ------
    msgspec.MsgspecError
        The value is no position.
    """
    found = msgspec.json.decode(value)
    whole = found if "offsets" in found else {"offsets": found}
    record = msgspec.convert(whole, _PositionRecord)
    return Position(
        changelog, record.offsets, record.epoch, record.letters, record.owner, record.marks
    )


def encode_owner(epoch: int, owner: str) -> bytes:
    """Value of the record with which an owner begins: what lower epochs write from here is void."""
    return f"{epoch} {owner}".encode()


def decode_owner(value: bytes) -> tuple[int, str]:
    """The epoch of an owner's record, and who that is; records of the first format do not say."""
    epoch, _, owner = value.decode().partition(" ")
    return int(epoch), owner


def mark_of(offset: int, key: bytes | None, value: bytes | None) -> Mark:
    """The mark of a source record."""
    return offset, zlib.crc32(value or b"", zlib.crc32(key or b""))


def behind(folded: int, end: int) -> int:
    """Records of a partition from ``folded`` to its ``end``, about.

    A single offset at the end is taken for the marker of a transaction, which is no record.
    """
    return end - folded if end - folded > MARKERS else 0
