"""Snapshot and restore of the health of a battery system and of a meter."""

from typing import TypeVar

import msgspec

FORMAT = 11
"""Version of the state bytes."""

State = TypeVar("State")

_encoder = msgspec.msgpack.Encoder()


def snapshot(state: object) -> bytes:
    """A state as bytes; equal states give equal bytes."""
    return bytes((FORMAT,)) + _encoder.encode(state)


def restore(kind: type[State], data: bytes | None) -> State:
    """The state of ``data``, or an empty one where there is none yet.

    Raises
    ------
    ValueError
        The bytes are not a state of this kind, or of a version that this program cannot read.
    """
    if data is None:
        return kind()
    if data[:1] != bytes((FORMAT,)):
        found = data[0] if data else 0
        raise ValueError(
            f"state of format {found}; this program reads {FORMAT}: "
            "run the version of the program that wrote it"
        )
    return msgspec.msgpack.decode(data[1:], type=kind)
