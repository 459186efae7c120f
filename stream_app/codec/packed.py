"""Cells of a pack in binary: the same record as in JSON, at a fraction of the time.

A value is ``MAGIC``, the length of the head (uint32), the head in MessagePack, zeros up to a
multiple of 8, the times (int64), then for each column of the head its values (float32) by row. All
numbers are little-endian, NaN is no value. No JSON begins with the first byte of ``MAGIC``.
"""

from typing import Literal, get_args

import msgspec
import numpy as np

from schemas.battery import Version
from stream_app.codec.limits import MOST_CELLS, MOST_ROWS
from stream_app.core.battery import CellSamples, Values

MAGIC = b"\xc1bc1"
_HEAD_AT = len(MAGIC) + 4
_ALIGNMENT = 8

ColumnName = Literal["voltage_v", "temperature_c", "current_a", "soc_ratio"]
MATRICES: tuple[ColumnName, ...] = ("voltage_v", "temperature_c")
COLUMNS: tuple[ColumnName, ...] = get_args(ColumnName)


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    v: Version
    pack: str
    rows: int
    cells: int
    columns: list[ColumnName]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Head)


def is_packed(value: bytes) -> bool:
    """Whether a value claims to be of this form."""
    return value.startswith(MAGIC)


def encode_packed(samples: CellSamples) -> bytes:
    """Samples in binary; values are rounded to float32."""
    columns = {name: getattr(samples, name) for name in COLUMNS}
    present = [name for name in COLUMNS if columns[name] is not None]
    widths = [columns[name].shape[1] for name in MATRICES if name in present]
    head = _Head(1, samples.pack, samples.times.size, max(widths, default=0), present)
    data = _encoder.encode(head)
    front = MAGIC + len(data).to_bytes(4, "little") + data
    parts = [front, bytes(-len(front) % _ALIGNMENT), samples.times.astype("<i8").tobytes()]
    return b"".join(parts + [columns[name].astype("<f4").tobytes() for name in present])


def decode_packed(value: bytes) -> CellSamples:
    """The samples of a packed value; their arrays are views of it.

    Raises
    ------
    ValueError
        The value is cut off, has bytes too many, or its head is none.
    """
    end = _HEAD_AT + int.from_bytes(value[len(MAGIC) : _HEAD_AT], "little")
    if len(value) < end:
        raise ValueError(f"the packed record has {len(value)} bytes, its head alone {end}: cut off")
    head = _decoder.decode(value[_HEAD_AT:end])
    _check(head)
    at = end + -end % _ALIGNMENT
    sizes = [head.rows * (head.cells if name in MATRICES else 1) for name in head.columns]
    length = at + 8 * head.rows + 4 * sum(sizes)
    if len(value) != length:
        raise ValueError(
            f"the packed record has {len(value)} bytes, its head speaks of {length}: "
            "cut off, or written by another program"
        )
    times = np.frombuffer(value, dtype="<i8", count=head.rows, offset=at)
    at += 8 * head.rows
    columns: dict[str, Values] = {}
    for name, size in zip(head.columns, sizes, strict=True):
        flat = np.frombuffer(value, dtype="<f4", count=size, offset=at)
        columns[name] = flat.reshape(head.rows, head.cells) if name in MATRICES else flat
        at += 4 * size
    return CellSamples(head.pack, times, **columns)


def _check(head: _Head) -> None:
    if not 1 <= head.rows <= MOST_ROWS:
        raise ValueError(f"the packed record has {head.rows} rows; it must be 1 to {MOST_ROWS}")
    matrices = any(name in MATRICES for name in head.columns)
    if not (1 if matrices else 0) <= head.cells <= MOST_CELLS:
        raise ValueError(f"the packed record has {head.cells} cells; it must be 1 to {MOST_CELLS}")
    if len({*head.columns}) < len(head.columns):
        raise ValueError("the packed record names a column twice")
