"""Many small files of a folder become one, whatever ends the process.

The merged file is written whole under a name that no reader looks for; with that name the step is
decided. Then those that it is made of go, and it takes its own name. What was left between is
finished when the archive is next opened: no row is there twice, and none is lost.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from stream_app.archive.disk import TEMPORARY, encode, sync_folder, write_whole
from stream_app.archive.layout import FileName, Source, Span, covered

MOST_FILES = 24
"""Of one source in the folder of a day that is not over."""

log = structlog.get_logger(__name__)


class Loose:
    """How many files each folder has, so that those to be merged are known without a look."""

    def __init__(self) -> None:
        self._files: Counter[tuple[Path, Source]] = Counter()
        self._newest: dict[Path, str] = {}

    def add(self, folder: Path, name: FileName) -> None:
        """A file is there."""
        self._files[folder, name.span.source] += 1
        self._newest[folder.parent] = max(folder.name, self._newest.get(folder.parent, ""))

    def merge(self, most: int | None = None) -> int:
        """Merge the files of so many folders, or of all; gives the number of files merged."""
        due = list(islice(self._due(), most))
        return sum(self._merge(*each) for each in due)

    def _due(self) -> Iterator[tuple[Path, Source]]:
        """Folders with several files whose day is over, or with many."""
        for (folder, source), files in self._files.items():
            is_over = folder.name < self._newest[folder.parent]
            if files >= (2 if is_over else MOST_FILES):
                yield folder, source

    def _merge(self, folder: Path, source: Source) -> int:
        self._files[folder, source] = 1
        try:
            found = whole(folder)
            names = sorted(name for name in found if name.span.source == source)
            parts = [pq.ParquetFile(found[name]).read() for name in names]
            table = pa.concat_tables(parts, promote_options="default")
        except (pa.ArrowException, OSError) as fault:
            log.warning("files are left as they are", folder=str(folder), reason=str(fault))
            return 0
        if len(names) > 1:
            _replace(folder, names, table)
        return len(names)


def whole(folder: Path) -> dict[FileName, Path]:
    """Whole files of one folder whose rows stand nowhere else in it."""
    names = _named(folder)
    gone = covered(names)
    return {name: path for name, path in names.items() if name not in gone}


def _named(folder: Path) -> dict[FileName, Path]:
    """All files of one folder that hold rows."""
    found = {FileName.parse(path.name): path for path in folder.iterdir()}
    return {name: path for name, path in found.items() if name is not None}


def _replace(folder: Path, names: list[FileName], table: pa.Table) -> None:
    first, last = names[0].span, max(names, key=lambda each: each.span.next).span
    name = FileName(Span(first.topic, first.partition, first.first, last.next))
    temporary = folder / f".{name}{TEMPORARY}"
    write_whole(temporary, encode(table))
    temporary.rename(folder / name.ready)
    finish(folder)


def finish(folder: Path) -> None:
    """Do what is left of merges that are decided."""
    names = _named(folder)
    sync_folder(folder)
    for name in covered(names):
        names[name].unlink()
    sync_folder(folder)
    for name, path in names.items():
        if path.name == name.ready:
            path.rename(folder / str(name))
    sync_folder(folder)
