"""The archive's folder: whole spans of offsets as files, whatever ends the process."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow as pa

from stream_app.archive.disk import (
    TEMPORARY,
    ArchiveError,
    encode,
    make,
    sync_folder,
    unwritable,
    write_whole,
)
from stream_app.archive.layout import FileName, Place, Source, Span, folder, standing
from stream_app.archive.merge import Loose, finish, whole

IDENTITY = "archive.json"
FORMAT = 1


class _Identity(msgspec.Struct):
    format: int
    prefix: str


class Archive:
    """An archive that this process alone writes; made by :func:`open_archive`.

    Attributes
    ----------
    positions
        Offset after the last one that is archived, by source.
    """

    def __init__(self, directory: Path, positions: Mapping[Source, int], loose: Loose) -> None:
        self.directory = directory
        self.positions = dict(positions)
        self._loose = loose

    def append(self, span: Span, tables: Mapping[Place, pa.Table]) -> int:
        """Write the rows of a span, a file for each place; gives the bytes of all files.

        A file has its name only when it is whole and on the disk; the span counts as archived when
        all its files do.

        Raises
        ------
        ArchiveError
            A file cannot be written; the archive is as before, or mends itself when next opened.
        """
        try:
            return self._append(span, tables)
        except OSError as fault:
            raise unwritable(self.directory, fault) from fault

    def _append(self, span: Span, tables: Mapping[Place, pa.Table]) -> int:
        made: list[tuple[Path, FileName]] = []
        size = 0
        for number, place in enumerate(sorted(tables), 1):
            directory = self.directory / folder(place)
            make(directory)
            name = FileName(span, number, len(tables))
            size += write_whole(directory / f".{name}{TEMPORARY}", encode(tables[place]))
            made.append((directory, name))
        for directory, name in made:
            (directory / f".{name}{TEMPORARY}").rename(directory / str(name))
        for directory in {directory for directory, _ in made}:
            sync_folder(directory)
        self.positions[span.source] = span.next
        for each in made:
            self._loose.add(*each)
        return size

    def merge(self, most: int | None = None) -> int:
        """Merge the files of days that are over, and of those with many; of so many, or of all.

        Gives the number of files that were merged.

        Raises
        ------
        ArchiveError
            A file cannot be written; the archive mends itself when next opened.
        """
        try:
            return self._loose.merge(most)
        except OSError as fault:
            raise unwritable(self.directory, fault) from fault


@contextmanager
def open_archive(directory: Path, prefix: str) -> Iterator[Archive]:
    """Open an archive for writing, or begin one; clears what a killed process left behind.

    Raises
    ------
    ArchiveError
        Another process writes it, it is of another deployment, or cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as fault:
        raise unwritable(directory, fault) from fault
    try:
        _lock(lock, directory)
        _identify(directory, prefix)
        try:
            positions, loose = _mend(directory)
        except OSError as fault:
            raise unwritable(directory, fault) from fault
        yield Archive(directory, positions, loose)
    finally:
        os.close(lock)


def _lock(handle: int, directory: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ArchiveError(
            f"{directory}: another `bess archive` writes there: one at a time may"
        ) from None


def _identify(directory: Path, prefix: str) -> None:
    """Offsets mean something in the topics of one deployment only."""
    path = directory / IDENTITY
    wanted = _Identity(FORMAT, prefix)
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Identity)
    except FileNotFoundError:
        temporary = directory / f".{IDENTITY}{TEMPORARY}"
        write_whole(temporary, msgspec.json.encode(wanted))
        temporary.rename(path)
        sync_folder(directory)
        return
    except msgspec.MsgspecError as fault:
        raise ArchiveError(f"{path}: is not an archive's: {fault}") from fault
    if found != wanted:
        raise ArchiveError(
            f"{path}: the archive is of prefix {found.prefix}, format {found.format}; the settings "
            f"say {prefix}, format {FORMAT}: name another folder, or set BESS_PREFIX"
        )


def files(directory: Path) -> Iterator[tuple[Path, FileName]]:
    """Whole files of an archive; of those that were merged the merged one alone."""
    for parent, _, _ in os.walk(directory):
        for name, path in whole(Path(parent)).items():
            yield path, name


def _mend(directory: Path) -> tuple[dict[Source, int], Loose]:
    """Finish or remove what is not whole; gives how far each source is archived, and the files."""
    for path in directory.rglob(f".*{TEMPORARY}"):
        path.unlink()
    for parent, _, names in os.walk(directory):
        if any(not each.count for each in map(FileName.parse, names) if each):
            finish(Path(parent))
    found = list(files(directory))
    stands = standing(name for _, name in found)
    changed, loose = set(), Loose()
    for path, name in found:
        if name.span in stands.torn and name.count:
            path.unlink()
            changed.add(path.parent)
        else:
            loose.add(path.parent, name)
    for folder_ in changed:
        sync_folder(folder_)
    return dict(stands.positions), loose
