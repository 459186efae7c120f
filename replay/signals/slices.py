"""Part after part of a file, without keeping it open: exports have more files than may be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from replay.config import Parsing
from replay.errors import ExportError
from replay.sources import BadLine, Source, faults

LONGEST_LINE = 8_388_608
_PARQUET_ROWS = 65_536
_TIMES = (pa.timestamp("ms"), pa.timestamp("ms", tz="UTC"))


def slices(source: Source, columns: Sequence[str], size: int) -> Iterator[pa.RecordBatch]:
    """Read the columns in parts of ``size`` bytes of CSV, or a row group of parquet.

    Numbers and times in the usual form come as such, all others as text. The first column is the
    timestamp. Lines with too few or too many cells go to ``source.bad_lines``.

    Raises
    ------
    ExportError
        The file is damaged, has a column twice, or a line longer than 8 MB.
    """
    doubles = [name for name in columns if source.columns.count(name) > 1]
    if doubles:
        raise ExportError(f"{source.path}: has the column {doubles[0]!r} more than once")
    with faults(source.path):
        if source.delimiter is None:
            yield from _row_groups(source.path, columns)
            return
        source.bad_lines.clear()
        kinds = list(_TIMES) if _is_plain(source.parsing) else []
        # map keeps nothing of what it has given; there may be thousands of these, waiting.
        yield from map(partial(_parsed, columns=columns, kinds=kinds), _Parts(source, size))


@dataclass(frozen=True)
class _Part:
    """Lines of a file; ``lines`` come before them."""

    source: Source
    text: bytes
    lines: int


def _row_groups(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        groups = file.num_row_groups
    for group in range(groups):
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read_row_group(group, columns=list(columns))
        yield from table.select(list(columns)).to_batches(_PARQUET_ROWS)


class _Parts:
    """Whole lines after the header, some ``size`` bytes at a time."""

    def __init__(self, source: Source, size: int) -> None:
        self._source, self._size = source, size
        self._offset = self._lines = 0

    def __iter__(self) -> Iterator[_Part]:
        return self

    def __next__(self) -> _Part:
        with self._source.path.open("rb") as stream:
            if not self._lines:
                self._offset, self._lines = len(stream.readline(LONGEST_LINE)), 1
            stream.seek(self._offset)
            text = _whole_lines(stream, self._size)
        if not text:
            raise StopIteration
        part = _Part(self._source, text, self._lines)
        self._offset += len(text)
        self._lines += text.count(b"\n")
        return part


def _whole_lines(stream: BinaryIO, size: int) -> bytes:
    text = stream.read(size)
    if len(text) < size or text.endswith(b"\n"):
        return text
    text += stream.readline(LONGEST_LINE)
    if len(text) >= size + LONGEST_LINE:
        raise ExportError(f"{stream.name}: holds a line longer than {LONGEST_LINE:,} bytes")
    return text


def _is_plain(parsing: Parsing) -> bool:
    return not parsing.timestamp_unit and not parsing.timestamp_format and parsing.decimal == "."


def _parsed(part: _Part, columns: Sequence[str], kinds: list[pa.DataType]) -> pa.RecordBatch:
    """Read lines as times and numbers, by the kind of time that served last; else as text."""
    bad_lines = part.source.bad_lines
    bad = len(bad_lines)
    for kind in kinds:
        types = dict.fromkeys(columns, pa.float64()) | {columns[0]: kind}
        try:
            batch = _read(part, columns, types)
        except pa.ArrowInvalid:
            del bad_lines[bad:]
        else:
            kinds.sort(key=lambda each: each != kind)
            return batch
    return _read(part, columns, dict.fromkeys(columns, pa.string()))


def _read(part: _Part, columns: Sequence[str], types: dict[str, pa.DataType]) -> pa.RecordBatch:
    source = part.source

    def note(line: pacsv.InvalidRow) -> str:
        number = None if line.number is None else part.lines + line.number
        source.bad_lines.append(BadLine(number, line.actual_columns, line.expected_columns))
        return "skip"

    read = pacsv.ReadOptions(
        use_threads=False,
        block_size=len(part.text) + 1,
        column_names=list(source.columns),
        encoding=source.parsing.encoding,
    )
    parse = pacsv.ParseOptions(delimiter=source.delimiter, invalid_row_handler=note)
    convert = pacsv.ConvertOptions(
        include_columns=list(columns),
        column_types=types,
        strings_can_be_null=True,
        null_values=[""],
    )
    table = pacsv.read_csv(pa.BufferReader(part.text), read, parse, convert).combine_chunks()
    batches = table.to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
