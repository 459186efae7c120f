"""Reading an archive back: one table, newest revisions, as Arrow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stream_app.archive.disk import ArchiveError
from stream_app.archive.files import files
from stream_app.archive.kinds import BY_NAME, Kind
from stream_app.archive.layout import place_of

_ORDER = ("revision", "kafka_offset")
_TRIES = 10


def read(
    directory: Path,
    kind: str,
    names: Mapping[str, str] | None = None,
    since: date | None = None,
    until: date | None = None,
    columns: Sequence[str] | None = None,
    *,
    every_revision: bool = False,
) -> pa.Table:
    """Rows of one table, sorted by its key.

    Of rows that say the same of the same time those with the highest revision hold; they stand
    alone unless every revision is asked for. ``final`` says whether they may still change.

    Parameters
    ----------
    names
        Values of folders to be read alone, such as ``{"site": "north", "system": "1A1BAT1"}``.
    since, until
        First local day, and the one after the last.
    columns
        Only these, and those that order the rows.

    Raises
    ------
    ArchiveError
        There is no such table in the folder.
    """
    known = BY_NAME.get(kind)
    if known is None:
        raise ArchiveError(f"no table {kind}: there are {', '.join(BY_NAME)}")
    days = (since or date.min).isoformat(), (until or date.max).isoformat()

    def is_asked_for(place: Mapping[str, str]) -> bool:
        return days[0] <= place["date"] < days[1] and place.items() >= (names or {}).items()

    found = _parts(directory, known, is_asked_for, columns)
    if not found:
        raise ArchiveError(f"{directory}: has no {kind} of what is asked for")
    table = pa.concat_tables(found, promote_options="default")
    order = [*known.key, *(name for name in _ORDER if name in table.column_names)]
    table = table.sort_by([(name, "ascending") for name in order])
    return table if every_revision else _newest(table, known.key)


def _parts(
    directory: Path,
    kind: Kind,
    is_asked_for: Callable[[Mapping[str, str]], bool],
    columns: Sequence[str] | None,
) -> list[pa.Table]:
    """Tables of the files; read anew where some were merged meanwhile."""
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            return [
                _read(path, place, kind, columns)
                for path, place in _paths(directory, kind)
                if is_asked_for(place)
            ]
    raise ArchiveError(f"{directory}: files of {kind.name} go while they are read: try again")


def _paths(directory: Path, kind: Kind) -> Iterator[tuple[Path, dict[str, str]]]:
    top = directory / f"kind={kind.name}"
    for path, _ in sorted(files(top)):
        yield path, dict(place_of(str(path.parent.relative_to(directory))))


def _read(
    path: Path, place: Mapping[str, str], kind: Kind, columns: Sequence[str] | None
) -> pa.Table:
    wanted = None
    if columns is not None:
        wanted = [name for name in kind.schema.names if name in {*columns, *kind.key, *_ORDER}]
    table = pq.ParquetFile(path).read(columns=wanted)
    for name in kind.folders:
        table = table.append_column(name, pa.repeat(place[name], table.num_rows))
    return table


def _newest(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """Rows of the newest record of each key; the table is sorted, oldest record first."""
    if not table.num_rows:
        return table
    begins = np.ones(table.num_rows, dtype=np.bool_)
    begins[1:] = False
    for name in key:
        values = table[name].combine_chunks()
        begins[1:] |= pc.not_equal(values[1:], values[:-1]).to_numpy(zero_copy_only=False)
    group = np.cumsum(begins) - 1
    last = np.append(np.flatnonzero(begins)[1:], table.num_rows) - 1
    offsets = table["kafka_offset"].to_numpy()
    return table.filter(pa.array(offsets == offsets[last][group]))
