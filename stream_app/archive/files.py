"""The archive's folder: whole spans of offsets as files, whatever ends the process."""

import errno
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from stream_app.archive.layout import FileName, Place, Source, Span, folder, standing

IDENTITY = "archive.json"
FORMAT = 1
_TEMPORARY = ".tmp"


class ArchiveError(ValueError):
    """The archive cannot be used or written; says where, and what to do."""


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

    def __init__(self, directory: Path, positions: Mapping[Source, int]) -> None:
        self.directory = directory
        self.positions = dict(positions)

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
            raise _unwritable(self.directory, fault) from fault

    def _append(self, span: Span, tables: Mapping[Place, pa.Table]) -> int:
        names: list[tuple[Path, Path]] = []
        size = 0
        for number, place in enumerate(sorted(tables), 1):
            directory = self.directory / folder(place)
            _make(directory)
            name = str(FileName(span, number, len(tables)))
            temporary = directory / f".{name}{_TEMPORARY}"
            size += write_whole(temporary, encode(tables[place]))
            names.append((temporary, directory / name))
        for temporary, final in names:
            temporary.rename(final)
        for directory in {final.parent for _, final in names}:
            sync_folder(directory)
        self.positions[span.source] = span.next
        return size


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
        raise _unwritable(directory, fault) from fault
    try:
        _lock(lock, directory)
        _identify(directory, prefix)
        try:
            positions = _mend(directory)
        except OSError as fault:
            raise _unwritable(directory, fault) from fault
        yield Archive(directory, positions)
    finally:
        os.close(lock)


def encode(table: pa.Table) -> bytes:
    """A table as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return memoryview(sink.getvalue()).tobytes()


def write_whole(path: Path, content: bytes) -> int:
    """Write a file and wait until it is on the disk; gives its bytes."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return len(content)


def sync_folder(directory: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make(directory: Path) -> None:
    """Make a folder and those above it, names on the disk."""
    if directory.is_dir():
        return
    _make(directory.parent)
    directory.mkdir(exist_ok=True)
    sync_folder(directory.parent)


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
        temporary = directory / f".{IDENTITY}{_TEMPORARY}"
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
    """Whole files of an archive."""
    for path in directory.rglob("*.parquet"):
        name = FileName.parse(path.name)
        if name is not None:
            yield path, name


def _mend(directory: Path) -> dict[Source, int]:
    """Remove what is not whole; gives how far each source is archived."""
    for path in directory.rglob(f".*{_TEMPORARY}"):
        path.unlink()
    found = list(files(directory))
    stands = standing(name for _, name in found)
    changed = set()
    for path, name in found:
        if name.span in stands.torn:
            path.unlink()
            changed.add(path.parent)
    for folder_ in changed:
        sync_folder(folder_)
    return dict(stands.positions)


def _unwritable(directory: Path, fault: OSError) -> ArchiveError:
    where = fault.filename or directory
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return ArchiveError(
            f"{where}: the disk is full; nothing is lost: free some space and start again"
        )
    return ArchiveError(f"{where}: cannot be written: {fault.strerror}")
