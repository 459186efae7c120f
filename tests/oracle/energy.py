"""Daily energy of each enclosure from an export, computed apart from the product.

Plain pandas and floats, with a reader, local time, integration and day split of its own. Nothing of
stream_app or replay is used, so that an error there cannot hide here.
"""

import itertools
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

POWER = re.compile(r"BESS([12]) DC Input Power \(kW\) \[Battery Inverter (\w+)PCS(\d+)\]")
BATTERY = re.compile(r"\[Battery system (\w+?)(\d+)BAT(\d+)\]")
SPLITS = {6: (3, 3), 4: (2, 2)}

Day = tuple[str, str]
Energy = tuple[float, float, float]
"""kWh charged, kWh discharged, coverage."""


def daily_energy(
    paths: Sequence[Path], zone: str, interval_s: float, max_gap_s: float, method: str
) -> dict[Day, Energy]:
    """(date, enclosure) to kWh charged, kWh discharged and share of the day that is known."""
    table = read(paths)
    seconds = utc_seconds(table["Timestamp"], ZoneInfo(zone))
    groups = enclosures(table.columns)
    result: dict[Day, Energy] = {}
    for column in table.columns:
        found = POWER.fullmatch(column)
        if found:
            series = samples(seconds, table[column])
            own = groups[found[2] + found[3]][int(found[1]) - 1]
            for day, energy in days_of(
                series, ZoneInfo(zone), interval_s, max_gap_s, method
            ).items():
                for name in own:
                    result[day, name] = energy[0] / len(own), energy[1] / len(own), energy[2]
    return result


def read(paths: Sequence[Path]) -> pd.DataFrame:
    def one(path: Path) -> pd.DataFrame:
        return pd.read_csv(path, dtype=str) if path.suffix == ".csv" else pd.read_parquet(path)

    return pd.concat([one(path).astype(object) for path in paths], ignore_index=True)


def enclosures(columns: Sequence[str]) -> dict[str, list[list[str]]]:
    """Inverter (area and number) to the enclosures of its first and second input."""
    numbers: dict[str, dict[int, str]] = defaultdict(dict)
    for column in columns:
        found = BATTERY.search(column)
        if found:
            whole = found[0].removeprefix("[Battery system ").removesuffix("]")
            numbers[found[1] + found[2]][int(found[3])] = whole
    result = {}
    for inverter, by_number in numbers.items():
        names = [by_number[number] for number in sorted(by_number)]
        first = SPLITS[len(names)][0]
        result[inverter] = [names[:first], names[first:]]
    return result


def utc_seconds(column: pd.Series, zone: ZoneInfo) -> list[float | None]:
    """Seconds since 1970; of a repeated hour the second pass begins where the clock steps back."""
    result: list[float | None] = []
    before, fold = None, 0
    for value in column:
        at = pd.Timestamp(value).to_pydatetime()
        if at.tzinfo is not None:
            result.append(at.timestamp())
            continue
        early, late = (at.replace(tzinfo=zone, fold=each) for each in (0, 1))
        twice = early.utcoffset() != late.utcoffset()
        if not twice:
            fold = 0
        elif before is not None and at < before:
            fold = 1
        before = at
        result.append((late if fold else early).timestamp())
    return result


def samples(seconds: Sequence[float | None], column: pd.Series) -> list[tuple[float, float]]:
    """(second, kW) of the cells that hold a number, each time once."""
    series: list[tuple[float, float]] = []
    for second, cell in zip(seconds, pd.to_numeric(column, errors="coerce"), strict=True):
        if second is not None and cell == cell and (not series or second > series[-1][0]):  # noqa: PLR0124 - not NaN
            series.append((second, float(cell)))
    return series


def days_of(
    series: list[tuple[float, float]],
    zone: ZoneInfo,
    interval_s: float,
    max_gap_s: float,
    method: str,
) -> dict[str, Energy]:
    """Energy in and out of an input by local day, and the share of each day that is known."""
    out: dict[str, float] = defaultdict(float)
    into: dict[str, float] = defaultdict(float)
    known: dict[str, float] = defaultdict(float)
    midnights = local_midnights(series[0][0], series[-1][0] + interval_s, zone)
    for begin, stop, p0, slope in known_stretches(series, interval_s, max_gap_s, method):
        for start, end in split(begin, stop, midnights):
            day = datetime.fromtimestamp(start, tz=UTC).astimezone(zone).date().isoformat()
            known[day] += end - start
            crossing = begin - p0 / slope if slope else begin
            parts = (start, crossing, end) if start < crossing < end else (start, end)
            for a, b in itertools.pairwise(parts):
                middle = p0 + slope * ((a + b) / 2 - begin)
                (out if middle > 0 else into)[day] += abs(middle) * (b - a) / 3600
    lengths = {
        datetime.fromtimestamp(a, tz=UTC).astimezone(zone).date().isoformat(): b - a
        for a, b in itertools.pairwise(midnights)
    }
    return {day: (into[day], out[day], known[day] / lengths[day]) for day in known}


def known_stretches(
    series: list[tuple[float, float]], interval_s: float, max_gap_s: float, method: str
) -> list[tuple[float, float, float, float]]:
    """(begin, end, kW at begin, kW a second) of the stretches where power is known."""
    found = []
    for (t0, p0), (t1, p1) in itertools.pairwise(series):
        if t1 - t0 <= max_gap_s:
            found.append((t0, t1, p0, (p1 - p0) / (t1 - t0) if method == "trapezoid" else 0.0))
        elif method == "left":
            found.append((t0, min(t0 + interval_s, t1), p0, 0.0))
    if method == "left":
        last, level = series[-1]
        found.append((last, last + interval_s, level, 0.0))
    return found


def split(begin: float, end: float, midnights: list[float]) -> list[tuple[float, float]]:
    inner = midnights[bisect_right(midnights, begin) :]
    edges = [begin, *(each for each in inner if each < end), end]
    return list(itertools.pairwise(edges))


def local_midnights(first: float, last: float, zone: ZoneInfo) -> list[float]:
    """First second of each local date around the span, found minute by minute near midnight."""

    def local(second: float) -> date:
        return datetime.fromtimestamp(second, tz=UTC).astimezone(zone).date()

    day, found = local(first) - timedelta(days=1), []
    while day <= local(last) + timedelta(days=2):
        guess = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        minutes = (guess + 60 * each for each in range(-15 * 60, 15 * 60))
        found.append(next(second for second in minutes if local(second) >= day))
        day += timedelta(days=1)
    return sorted(set(found))
