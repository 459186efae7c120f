"""The files of a report, written so that a reader never meets half of one."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.results import DailyRecord
from stream_app.reports.daily import daily_csv
from stream_app.reports.heatmap import heatmap_png
from stream_app.reports.totals import outliers_csv


@dataclass(frozen=True)
class ReportPaths:
    """Where the daily table, the outliers and the heatmap go."""

    daily: Path
    outliers: Path
    heatmap: Path


def write_reports(days: Sequence[DailyRecord], paths: ReportPaths) -> list[Path]:
    """Write the three files from the newest revisions of one site.

    Returns
    -------
    Paths of the files written; the heatmap only where there is a day to show.

    Raises
    ------
    OSError
        A directory cannot be made or written to.
    """
    written = []
    for path, data in _contents(days, paths):
        _write(path, [data])
        written.append(path)
    return written


def write_files(folder: Path, files: Iterable[tuple[str, Iterable[str]]]) -> list[Path]:
    """Write files with their names, each line after line: none need fit into memory.

    Returns
    -------
    Paths of the files written.

    Raises
    ------
    OSError
        The directory cannot be made or written to.
    """
    written = []
    for name, lines in files:
        _write(folder / name, map(str.encode, lines))
        written.append(folder / name)
    return written


def write_binary(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write contents by file name; gives the paths.

    Raises
    ------
    OSError
        The directory cannot be made or written to.
    """
    for name, data in contents.items():
        _write(folder / name, [data])
    return [folder / name for name in contents]


def _contents(days: Sequence[DailyRecord], paths: ReportPaths) -> Iterator[tuple[Path, bytes]]:
    yield paths.daily, daily_csv(days).encode()
    yield paths.outliers, outliers_csv(days).encode()
    if days:
        yield paths.heatmap, heatmap_png(days)


def _write(path: Path, parts: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as stream:
            stream.writelines(parts)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
