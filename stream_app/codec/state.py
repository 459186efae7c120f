"""Snapshot and restore of a block's state: a version byte and MessagePack."""

import msgspec

from stream_app.pipeline import BlockState

FORMAT = 1
"""Version of the state bytes; a new one comes with a function that reads the old."""

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
    if data[:1] != bytes((FORMAT,)):
        raise ValueError(f"state of format {data[:1].hex()}; this program reads {FORMAT:02x}")
    return _decoder.decode(data[1:])
