"""Writing to the disk so that what has a name is whole; what an archive raises."""

import errno
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

TEMPORARY = ".tmp"


class ArchiveError(ValueError):
    """The archive cannot be used or written; says where, and what to do."""


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


def make(directory: Path) -> None:
    """Make a folder and those above it, names on the disk."""
    if directory.is_dir():
        return
    make(directory.parent)
    directory.mkdir(exist_ok=True)
    sync_folder(directory.parent)


def unwritable(directory: Path, fault: OSError) -> ArchiveError:
    """What to tell of a file that cannot be written."""
    where = fault.filename or directory
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return ArchiveError(
            f"{where}: the disk is full; nothing is lost: free some space and start again"
        )
    return ArchiveError(f"{where}: cannot be written: {fault.strerror}")
