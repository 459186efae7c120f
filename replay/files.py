"""Paths, folders and patterns of a configuration to files."""

import glob
from collections.abc import Sequence
from pathlib import Path

from replay.errors import ExportError

_SUFFIXES = (".parquet", ".pq", ".csv", ".tsv", ".csv.gz")


def find_files(patterns: Sequence[str]) -> list[Path]:
    """All files that the patterns name, each once, sorted.

    Raises
    ------
    ExportError
        No pattern is given, or one names no file.
    """
    if not patterns:
        raise ExportError("no export is named: give its path, or set data.paths in the config")
    return sorted({file for pattern in patterns for file in _files(pattern)})


def _files(pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_dir():
        found = [each for each in path.iterdir() if each.name.endswith(_SUFFIXES)]
    elif path.exists():
        found = [path]
    else:
        names = glob.glob(pattern, recursive=True)  # noqa: PTH207 - pathlib refuses absolute patterns
        found = [Path(name) for name in names if Path(name).is_file()]
    if not found:
        raise ExportError(
            f"no export file at {pattern} (looked from {Path.cwd()}); "
            "check data.paths, which is relative to the config file"
        )
    return found
