"""The files of a report, written so that a reader never meets half of one."""

import os
from collections.abc import Iterator, Mapping, Sequence
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
        _write(path, data)
        written.append(path)
    return written


def write_files(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write texts by file name; gives the paths.

    Raises
    ------
    OSError
        The directory cannot be made or written to.
    """
    return write_binary(folder, {name: text.encode() for name, text in texts.items()})


def write_binary(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write contents by file name; gives the paths.

    Raises
    ------
    OSError
        The directory cannot be made or written to.
    """
    for name, data in contents.items():
        _write(folder / name, data)
    return [folder / name for name in contents]


def _contents(days: Sequence[DailyRecord], paths: ReportPaths) -> Iterator[tuple[Path, bytes]]:
    yield paths.daily, daily_csv(days).encode()
    yield paths.outliers, outliers_csv(days).encode()
    if days:
        yield paths.heatmap, heatmap_png(days)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
