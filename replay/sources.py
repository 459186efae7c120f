"""Export files as streams of record batches with the wanted columns only: parquet and CSV."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from replay.config import Parsing
from replay.errors import ExportError

HEAD_ROWS = 1000
CELLS_PER_CHUNK = 4_000_000
CSV_BLOCK_BYTES = 8_388_608
_DELIMITERS = ",;\t|"
_CSV_SUFFIXES = (".csv", ".tsv", ".txt", ".gz")
_PARQUET_MAGIC = b"PAR1"


@dataclass
class BadLine:
    """A line of a CSV file that does not have as many cells as the header."""

    line: int | None
    cells: int
    expected: int


@dataclass(frozen=True)
class Source:
    """One file.

    Attributes
    ----------
    path
        Where it lies.
    columns
        Names, in the file's order.
    rows
        Number of rows; an estimate from the size for CSV.
    exact
        Whether ``rows`` is exact.
    folder
        Empty, or folders that end in a slash.
    """

    path: Path
    columns: tuple[str, ...]
    rows: int
    exact: bool
    parsing: Parsing
    delimiter: str | None = None
    bad_lines: list[BadLine] = field(default_factory=list)
    folder: str = ""

    @property
    def name(self) -> str:
        """Name for people: the file's, after the folders that tell it from others."""
        return f"{self.folder}{self.path.name}"

    def head(self, column: str) -> pa.Array:
        """First values of a column, at most 1,000."""
        for batch in self.chunks([column], HEAD_ROWS):
            return batch.column(0).slice(0, HEAD_ROWS)
        return pa.array([], pa.string())

    def chunks(self, columns: Sequence[str], rows: int | None = None) -> Iterator[pa.RecordBatch]:
        """Read batches of the columns, in that order; CSV cells come as text.

        Parameters
        ----------
        rows
            Rows in a batch, at most; by default as many as fit into a few MB.

        Raises
        ------
        ExportError
            The file is damaged or cut off.
        """
        with faults(self.path):
            if self.delimiter is None:
                size = rows or max(256, min(65_536, CELLS_PER_CHUNK // len(columns)))
                yield from _parquet_chunks(self.path, columns, size)
            else:
                self.bad_lines.clear()
                for batch in _csv_chunks(self, columns):
                    for low in range(0, batch.num_rows, rows or batch.num_rows):
                        yield batch.slice(low, rows)


def open_source(
    path: Path, parsing: Parsing, head_bytes: int = CSV_BLOCK_BYTES, folder: str = ""
) -> Source:
    """Look at a file's columns, and at the first ``head_bytes`` of CSV for the number of rows.

    Raises
    ------
    ExportError
        The file cannot be read, is empty, is neither parquet nor CSV, or is cut off.
    """
    with faults(path):
        with path.open("rb") as stream:
            magic = stream.read(4)
        if not magic:
            raise ExportError(f"{path}: is empty (0 bytes); export it again or leave it out")
        if magic == _PARQUET_MAGIC or path.suffix in (".parquet", ".pq"):
            return _open_parquet(path, parsing, folder)
        if path.suffix.lower() not in _CSV_SUFFIXES:
            raise ExportError(
                f"{path}: is not parquet, and {path.suffix!r} is no suffix of CSV files"
            )
        return _open_csv(path, parsing, head_bytes, folder)


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turn what reading a file may raise into sentences that name it."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error, LookupError) as fault:
        reason = str(fault).strip().splitlines()[0] if str(fault).strip() else type(fault).__name__
        raise ExportError(f"{path}: cannot be read: {_remedy(reason)}") from fault


def _remedy(reason: str) -> str:
    lowered = reason.lower()
    if "magic bytes" in lowered or "footer" in lowered:
        return f"not a parquet file, or cut off ({reason}); copy or export it again"
    if "utf" in lowered or "codec" in lowered:
        return f"{reason}; set parsing.encoding, for instance to latin-1"
    return reason


def _open_parquet(path: Path, parsing: Parsing, folder: str) -> Source:
    with pq.ParquetFile(path) as file:
        names = tuple(file.schema_arrow.names)
        rows = file.metadata.num_rows
        return Source(path, names, rows, exact=True, parsing=parsing, folder=folder)


def _parquet_chunks(path: Path, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches(rows, columns=list(columns)):
            yield batch.select(list(columns))


def _open_csv(path: Path, parsing: Parsing, head_bytes: int, folder: str) -> Source:
    with pa.input_stream(str(path)) as stream:
        sample = stream.read(head_bytes)
    lines = sample.count(b"\n") or 1
    text = io.StringIO(sample.decode(_python_encoding(parsing), errors="replace"), newline="")
    header = text.readline()
    delimiter = parsing.delimiter or max(_DELIMITERS, key=header.count)
    names = tuple(next(csv.reader([header], delimiter=delimiter), []))
    if not any(names):
        raise ExportError(f"{path}: the first line holds no column names")
    whole = len(sample) < head_bytes
    rows = lines if whole else round(path.stat().st_size * lines / len(sample))
    return Source(path, names, max(0, rows - 1), False, parsing, delimiter, folder=folder)


def _python_encoding(parsing: Parsing) -> str:
    return "utf-8-sig" if parsing.encoding.lower() in ("utf-8", "utf8") else parsing.encoding


def _csv_chunks(source: Source, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    doubles = [name for name in columns if source.columns.count(name) > 1]
    if doubles:
        raise ExportError(f"{source.path}: has the column {doubles[0]!r} more than once")

    def note(line: pacsv.InvalidRow) -> str:
        source.bad_lines.append(BadLine(line.number, line.actual_columns, line.expected_columns))
        return "skip"

    # One thread: pyarrow numbers the bad lines only then.
    read = pacsv.ReadOptions(
        use_threads=False, block_size=CSV_BLOCK_BYTES, encoding=source.parsing.encoding
    )
    parse = pacsv.ParseOptions(delimiter=source.delimiter, invalid_row_handler=note)
    convert = pacsv.ConvertOptions(
        include_columns=list(columns),
        column_types=dict.fromkeys(columns, pa.string()),
        strings_can_be_null=True,
        null_values=[""],
    )
    with pa.input_stream(str(source.path)) as stream:
        yield from pacsv.open_csv(stream, read, parse, convert)
