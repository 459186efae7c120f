"""Power cells of an export as floats; what is no number becomes NaN and is pointed out."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replay.errors import ExportError
from stream_app.codec.limits import LARGEST_W
from stream_app.core.energy import Floats, Ints

_NUMBER = r"(?i)^[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?)$|^[+-]?nan$"


@dataclass(frozen=True, eq=False)
class Cells:
    """Power of one column.

    Attributes
    ----------
    watts
        (n,) [W], + = discharge; NaN where there is no value.
    unusable
        Rows with text, or with a number beyond 1e9 W.
    """

    watts: Floats
    unusable: Ints


def cells(column: pa.Array, watts_per_unit: float, decimal: str = ".") -> Cells:
    """Convert a column of numbers or text.

    Raises
    ------
    ExportError
        The type of the column holds neither.
    """
    values, text = numbers(column, decimal)
    watts = values * watts_per_unit
    beyond = np.abs(watts) > LARGEST_W
    if beyond.any():
        watts[beyond] = np.nan
        text = np.union1d(text, np.flatnonzero(beyond))
    return Cells(watts, text)


def numbers(column: pa.Array, decimal: str) -> tuple[Floats, Ints]:
    """Numbers of a column of numbers or text, NaN where there is none, and the rows with words.

    Raises
    ------
    ExportError
        The type of the column holds neither.
    """
    kind = column.type
    none = np.zeros(0, dtype=np.int64)
    if pa.types.is_dictionary(kind):
        return numbers(column.dictionary_decode(), decimal)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _from_text(column, decimal)
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not numeric and not pa.types.is_null(kind):
        raise ExportError(f"holds {kind}; values must be numbers or text with numbers")
    return _floats(column.cast(pa.float64(), safe=False)), none


def _from_text(column: pa.Array, decimal: str) -> tuple[Floats, Ints]:
    text = pc.utf8_trim_whitespace(column)
    if decimal != ".":
        text = pc.replace_substring(text, decimal, ".")
    text = pc.if_else(pc.equal(text, ""), None, text)
    try:
        return _floats(text.cast(pa.float64())), np.zeros(0, dtype=np.int64)
    except pa.ArrowInvalid:
        numeric = pc.match_substring_regex(text, _NUMBER)
        words = pc.fill_null(pc.invert(numeric), fill_value=False).to_numpy(zero_copy_only=False)
        numbers = pc.if_else(numeric, text, None).cast(pa.float64())
        return _floats(numbers), np.flatnonzero(words)


def _floats(column: pa.Array) -> Floats:
    values: Floats = column.to_numpy(zero_copy_only=False)
    return values
