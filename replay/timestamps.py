"""The timestamp column of an export, whatever its type, as milliseconds."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from replay.config import Parsing
from replay.errors import ExportError
from replay.localtime import Bools, Ints
from stream_app.codec.limits import EARLIEST_MS, LATEST_MS

_WITH_OFFSET = r":\d\d(\.\d+)?\s*(Z|[+-]\d\d(:?\d\d)?)$"
_UNIT_MS = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}


@dataclass(frozen=True, eq=False)
class Stamps:
    """Timestamps of consecutive rows.

    Attributes
    ----------
    ms
        (n,) wall time where ``local``, else UTC; undefined where not ``parsed``.
    local
        (n,) the time has no zone of its own.
    parsed
        (n,) it could be read, and lies in 1971-2109.
    """

    ms: Ints
    local: Bools
    parsed: Bools


def stamps(column: pa.Array, parsing: Parsing) -> Stamps:
    """Read a column of datetimes, dates, texts or epochs.

    Raises
    ------
    ExportError
        Numbers without ``parsing.timestamp_unit``, or a type that holds no time.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return stamps(column.dictionary_decode(), parsing)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _from_datetimes(column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        texts = pc.utf8_trim_whitespace(column)
        if parsing.timestamp_unit:
            return _from_epochs(_numbers(texts), parsing)
        return _from_texts(texts, parsing)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _from_epochs(column, parsing)
    if pa.types.is_null(kind):
        return _checked(np.zeros(len(column), np.int64), np.zeros(len(column), np.bool_), column)
    raise ExportError(
        f"the timestamp column has the type {kind}; it must hold times, text or numbers"
    )


def _from_datetimes(column: pa.Array) -> Stamps:
    zone = getattr(column.type, "tz", None)
    in_ms = column.cast(pa.timestamp("ms", tz=zone), safe=False)
    local = np.full(len(column), zone is None)
    return _checked(_integers(in_ms), local, column)


def _from_epochs(column: pa.Array, parsing: Parsing) -> Stamps:
    if parsing.timestamp_unit is None:
        raise ExportError(
            f"the timestamp column {parsing.timestamp_col!r} holds numbers; "
            "set parsing.timestamp_unit to s, ms, us or ns since 1970 UTC"
        )
    exact = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    ms = np.nan_to_num(np.rint(exact * _UNIT_MS[parsing.timestamp_unit]), posinf=0.0, neginf=0.0)
    inside = (ms >= EARLIEST_MS) & (ms < LATEST_MS)
    return Stamps(np.where(inside, ms, 0).astype(np.int64), np.zeros(len(column), np.bool_), inside)


def _from_texts(texts: pa.Array, parsing: Parsing) -> Stamps:
    """Take times with an offset as instants, the digits of others as wall time."""
    series = texts.to_pandas()
    wanted = parsing.timestamp_format or "ISO8601"
    exact = pd.to_datetime(series, format=wanted, errors="coerce", utc=True)
    times = pa.Array.from_pandas(exact.astype("datetime64[ms, UTC]"))
    own_zone = pc.fill_null(pc.match_substring_regex(texts, _WITH_OFFSET), fill_value=False)
    aware = own_zone.to_numpy(zero_copy_only=False)
    if parsing.timestamp_format and "%z" in parsing.timestamp_format:
        aware = np.ones(len(texts), dtype=np.bool_)
    return _checked(_integers(times), ~aware, times)


def _numbers(texts: pa.Array) -> pa.Array:
    return pa.Array.from_pandas(pd.to_numeric(texts.to_pandas(), errors="coerce"))


def _integers(column: pa.Array) -> Ints:
    whole: Ints = pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    return whole


def _checked(ms: Ints, local: Bools, column: pa.Array) -> Stamps:
    filled = column.is_valid().to_numpy(zero_copy_only=False)
    return Stamps(ms, local, filled & (ms >= EARLIEST_MS) & (ms < LATEST_MS))
