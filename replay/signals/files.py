"""Files of signals: found in their folders, and looked at once."""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from replay.config import Config
from replay.errors import ExportError
from replay.localtime import LocalTime
from replay.rows import refuse_unreadable
from replay.signals.slices import slices
from replay.sources import Source, open_source
from replay.timestamps import stamps
from stream_app.core.energy import Ints

HEAD_BYTES = 65_536
_SUFFIXES = (".csv", ".tsv", ".parquet", ".pq")
_PACKED_SUFFIXES = (".gz", ".zip", ".zst", ".bz2", ".7z")
_ROUND_MS = tuple(
    1000 * seconds
    for seconds in (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 86_400)
)


@dataclass(frozen=True)
class Head:
    """What the first rows say of the clock of a file.

    Attributes
    ----------
    median_ms
        Median of their times [ms UTC]; None where there is none.
    phase_ms
        By how much they lie beside multiples of the interval [ms], less than half of it.
    regular
        Whether nine in ten do so to a quarter of it; otherwise values come when they change.
    oldest_first
        Whether none of them lies before the first.
    """

    median_ms: int | None
    phase_ms: int
    regular: bool
    oldest_first: bool


@dataclass(frozen=True, eq=False)
class SignalFile:
    """One file with at least one signal.

    Attributes
    ----------
    source
        The file; ``source.folder`` are the folders from the one that the configuration names.
    addresses
        Column -> ``folder/column``, or ``folder/file`` where ``signals.name`` says so.
    interval_ms
        ``data.interval``, or the median forward step of its first rows as a round number [ms];
        None for a single row.
    """

    source: Source
    addresses: dict[str, str]
    interval_ms: int | None
    head: Head


def find_files(patterns: Sequence[str]) -> list[tuple[str, Path]]:
    """All files of folders (and folders in them) and patterns, with the folders that name them.

    Raises
    ------
    ExportError
        No pattern is given, or one names no file that can be read.
    """
    if not patterns:
        raise ExportError("no export is named: give its path, or set data.paths in the config")
    found = {path: folder for pattern in patterns for folder, path in _files(pattern)}
    return sorted((folder, path) for path, folder in found.items())


def look_at(folder: str, path: Path, config: Config) -> SignalFile | str:
    """Read the header and first rows of a file; where it has no rows or times, say so.

    Raises
    ------
    ExportError
        It is damaged, most of its timestamps cannot be read, or it runs backwards.
    """
    name = f"{folder}{path.name}"
    if not path.stat().st_size:
        return f"{name} has no rows"
    source = open_source(path, config.parsing, HEAD_BYTES, folder)
    stamp = config.parsing.timestamp_col
    if stamp not in source.columns:
        shown = ", ".join(repr(column) for column in source.columns[:3])
        return f"{name} has no column {stamp!r}, it has {shown}: see parsing.timestamp_col"
    head = next(slices(source, [stamp], HEAD_BYTES), None)
    if head is None:
        return f"{name} has no rows"
    times = _instants(source, head.column(0))
    interval_ms = config.data.interval or _interval(times)
    oldest_first = bool((times[:1] <= times).all())
    head = Head(*_clock(times, interval_ms), oldest_first)
    return SignalFile(source, _addresses(source, config), interval_ms, head)


def _instants(source: Source, head: pa.Array) -> Ints:
    """Times [ms UTC] of the first rows that have one."""
    read = stamps(head, source.parsing)
    bad = np.flatnonzero(~read.parsed)
    refuse_unreadable(source, head, bad, bad.size, len(head))
    local = read.parsed & read.local
    times = read.ms.copy()
    times[local] = LocalTime(source.parsing.timezone, 1).resolve(read.ms[local]).times
    times = times[read.parsed]
    steps = np.diff(times)
    back, moved = np.count_nonzero(steps < 0), np.count_nonzero(steps)
    if back * 2 > moved:
        raise ExportError(
            f"{source.path}: runs backwards: {back} of its first {moved} steps in time do; "
            "sort its rows by time, the oldest first"
        )
    return times


def _interval(times: Ints) -> int | None:
    """Median forward step of the first rows as a round number [ms]; None for a single row."""
    steps = np.diff(times)
    forward = steps[steps > 0]
    return _rounded(float(np.median(forward))) if forward.size else None


def _clock(times: Ints, interval_ms: int | None) -> tuple[int | None, int, bool]:
    """Median, phase, and whether there is one."""
    if not times.size:
        return None, 0, True
    median = int(np.sort(times)[(times.size - 1) // 2])
    if interval_ms is None:
        return median, 0, True
    half = interval_ms // 2
    phases = np.sort((times + half) % interval_ms)
    # A circle is cut where it is emptiest.
    cut = int(np.argmax(np.diff(phases, append=phases[0] + interval_ms))) + 1
    middle = int(np.append(phases[cut:], phases[:cut] + interval_ms)[phases.size // 2])
    beside = np.abs((phases - middle + half) % interval_ms - half)
    if np.count_nonzero(beside * 4 <= interval_ms) * 10 < times.size * 9:
        return median, 0, False
    return median, middle % interval_ms - half, True


def _addresses(source: Source, config: Config) -> dict[str, str]:
    names = [name for name in source.columns if name != config.parsing.timestamp_col]
    if config.signals.name == "file" and len(names) == 1:
        return {names[0]: f"{source.folder}{source.path.name.split('.')[0]}"}
    return {name: f"{source.folder}{name}" for name in names}


def _files(pattern: str) -> Iterator[tuple[str, Path]]:
    root = Path(pattern)
    if root.is_dir():
        inside = (path for path in root.rglob("*") if path.is_file())
        found = [(_folder(path.relative_to(root.parent)), path) for path in inside]
    else:
        names = [pattern] if root.exists() else glob.glob(pattern, recursive=True)  # noqa: PTH207
        found = [(f"{Path(name).parent.name}/", Path(name)) for name in names]
    packed = [path for _, path in found if path.suffix.lower() in _PACKED_SUFFIXES]
    if packed:
        raise ExportError(f"{packed[0]}: is packed; unpack it, so that it can be read in parts")
    kept = [each for each in found if each[1].suffix.lower() in _SUFFIXES]
    if not kept:
        raise ExportError(
            f"no export file at {pattern} (looked from {Path.cwd()}); "
            "check data.paths, which is relative to the config file"
        )
    yield from kept


def _folder(path: Path) -> str:
    return f"{path.parent.as_posix()}/"


def _rounded(step_ms: float) -> int:
    """Nearest of the usual intervals if it is within a tenth, else the next shorter one."""
    nearest = min(_ROUND_MS, key=lambda each: abs(each - step_ms))
    if abs(nearest - step_ms) * 10 <= nearest:
        return nearest
    return max((each for each in _ROUND_MS if each <= step_ms), default=max(1, int(step_ms)))
