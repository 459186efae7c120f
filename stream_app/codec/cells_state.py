"""Snapshot and restore of what is remembered of a battery's cells: a version byte, MessagePack."""

from typing import Any, TypeVar

import msgspec
import numpy as np

from stream_app.core.cells.fold import CellsState
from stream_app.core.cells.pack import ColdPack, HotPack, WarmPack

FORMAT = 9
"""Version of the state bytes."""

State = TypeVar("State", CellsState, HotPack, WarmPack, ColdPack)


def _numbers(array: Any) -> bytes:
    data: bytes = array.astype("<i8", copy=False).tobytes()
    return data


def _array(_kind: type, data: Any) -> Any:
    return np.frombuffer(data, dtype="<i8")


_encoder = msgspec.msgpack.Encoder(enc_hook=_numbers)


def snapshot_cells(state: CellsState | HotPack | WarmPack | ColdPack) -> bytes:
    """The state, or the part that changes with rows (hot, warm) or windows (cold), as bytes.

    Equal states give equal bytes.
    """
    return bytes((FORMAT,)) + _encoder.encode(state)


def restore_cells(data: bytes, kind: type[State]) -> State:
    """The state of this kind that the bytes hold.

    Raises
    ------
    ValueError
        The bytes are not such a state, or of a version that this program cannot read.
    """
    if data[:1] != bytes((FORMAT,)):
        found = data[0] if data else 0
        raise ValueError(f"cell state of format {found}; this program reads {FORMAT}")
    return msgspec.msgpack.decode(data[1:], type=kind, dec_hook=_array)
