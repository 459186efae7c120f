"""Snapshot and restore of a block's state: a version byte and MessagePack."""

from collections.abc import Callable, Mapping

import msgspec

from stream_app.pipeline import BlockState

FORMAT = 2
"""Version of the state bytes; a new one comes with a function that reads the old."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(BlockState)
_READERS: Mapping[int, Callable[[bytes], BlockState]] = {
    1: _decoder.decode,
    2: _decoder.decode,
}
"""By format. 1 lacks the holes, closed windows and corrections of late data: there were none."""


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
    read = _READERS.get(data[0]) if data else None
    if read is None:
        raise ValueError(f"state of format {data[:1].hex()}; this program reads 01 to {FORMAT:02x}")
    return read(data[1:])
