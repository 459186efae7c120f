"""Snapshot and restore of a block's state: a version byte and MessagePack."""

from collections.abc import Callable
from typing import Any

import msgspec

from stream_app.pipeline import BlockState

FORMAT = 2
"""Version of the state bytes; a new one comes with a function that reads the old."""

Plain = dict[str, Any]

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(BlockState)


def snapshot(state: BlockState) -> bytes:
    """The state as bytes; equal states give equal bytes."""
    return bytes((FORMAT,)) + _encoder.encode(state)


def restore(data: bytes | None) -> BlockState:
    """The state of ``data``, or an empty one where there is none yet.

    Raises
    ------
    ValueError
        The bytes are not a state, or of a version that this program cannot read.
    """
    if data is None:
        return BlockState()
    if data[:1] == bytes((FORMAT,)):
        return _decoder.decode(data[1:])
    found = data[0] if data else 0
    if found > FORMAT:
        raise ValueError(
            f"state of format {found} was written by a newer version of this program, which reads "
            f"up to {FORMAT}: run the newer version again"
        )
    if found not in MIGRATIONS:
        raise ValueError(f"state of format {found}; this program reads {min(MIGRATIONS)}-{FORMAT}")
    plain = msgspec.msgpack.decode(data[1:], type=dict)
    for version in range(found, FORMAT):
        plain = MIGRATIONS[version](plain)
    return msgspec.convert(plain, BlockState)


def _from_1(state: Plain) -> Plain:
    """Each input tells itself to whom its sums belong; till then the topology alone did.

    Holes and closed windows of late data were not remembered: there are none.
    """
    block = state["block"]
    shares = block["inputs"] if block else {}
    inputs = {
        name: {**each, "allocation": {"shares": shares[name]}}
        for name, each in state["inputs"].items()
    }
    return {**state, "inputs": inputs}


MIGRATIONS: dict[int, Callable[[Plain], Plain]] = {1: _from_1}
"""By the format that they read: functions to the next one, on plain values."""
