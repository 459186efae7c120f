"""What is known of one battery system, from wherever it was read, for tables and pictures."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import msgspec
import numpy as np

from schemas.results_battery import (
    CellWindowsRecord,
    CriticalCellsRecord,
    HealthDayRecord,
    SignalWindowsRecord,
)
from stream_app.core.battery import Battery
from stream_app.core.calendar import RESOLUTIONS_MS
from stream_app.core.energy import Floats
from stream_app.core.order import natural_key

LEVELS = tuple(RESOLUTIONS_MS)
"""Lengths of windows, the shortest first."""


Record = CellWindowsRecord | CriticalCellsRecord | HealthDayRecord | SignalWindowsRecord


class NotFoundError(Exception):
    """What was asked for is not there; the text says what is."""


@dataclass(frozen=True)
class SystemData:
    """A battery system and its results.

    Attributes
    ----------
    windows
        Records of one window each, newest revisions, by pack, length and time.
    critical
        Newest table of each pack that ever had a critical cell.
    days
        Newest revisions of the health, by date.
    limits
        Of a system without packs, what its newest day can tell of cells: by indicator
        ``evaluable`` or why not; None: no day is known.
    """

    battery: Battery
    windows: Sequence[CellWindowsRecord] = ()
    critical: dict[str, CriticalCellsRecord] = field(default_factory=dict)
    days: Sequence[HealthDayRecord] = ()
    limits: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        return f"{self.battery.site}/{self.battery.system}"

    @property
    def packs(self) -> list[str]:
        """Names of the packs in the order of people."""
        return sorted(self.battery.packs, key=natural_key)

    def level(self, asked: str | None = None) -> str:
        """The length of windows asked for, else the longest that there is.

        Raises
        ------
        NotFoundError
            There is no such window.
        """
        known = [name for name in LEVELS if any(each.resolution == name for each in self.windows)]
        if asked in known or (asked is None and known):
            return asked or known[-1]
        what = "no window of cells" if asked is None else f"no window of {asked}"
        has = f"; it has {', '.join(known)}" if known else ": has one closed yet?"
        raise NotFoundError(f"{self.name} has {what} there{has}")

    def of(self, level: str, pack: str) -> list[CellWindowsRecord]:
        """Windows of a pack and length, in time order."""
        return [each for each in self.windows if each.resolution == level and each.pack == pack]

    def newest(self, level: str) -> dict[str, CellWindowsRecord]:
        """Newest window of each pack that has one."""
        found = {pack: self.of(level, pack) for pack in self.packs}
        return {pack: windows[-1] for pack, windows in found.items() if windows}

    def of_packs(self, packs: Sequence[str]) -> "SystemData":
        """The same with these packs alone.

        Raises
        ------
        NotFoundError
            There is no such pack.
        """
        unknown = [pack for pack in packs if pack not in self.battery.packs]
        if unknown:
            known = ", ".join(self.packs) or f"it has none at all; see `bess health {self.name}`"
            raise NotFoundError(f"{self.name} has no pack {unknown[0]}: {known}")
        battery = replace(self.battery, packs={name: self.battery.packs[name] for name in packs})
        return replace(self, battery=battery)


Windows = TypeVar("Windows", CellWindowsRecord, SignalWindowsRecord)


def one_by_one(record: Windows) -> Iterator[Windows]:
    """A run of windows as records of one window each."""
    columns = {
        name: value
        for name in record.__struct_fields__
        if name != "signals" and isinstance(value := getattr(record, name), list)
    }
    for at in range(len(record.start)):
        own = {name: [value[at]] for name, value in columns.items()}
        yield msgspec.structs.replace(record, **own)


def collected(battery: Battery, records: Sequence[Record]) -> SystemData:
    """The newest revisions of records of one system, which may come in any order."""
    kept: dict[tuple[str, str, int], CellWindowsRecord] = {}
    for record in (each for each in records if isinstance(each, CellWindowsRecord)):
        for each in one_by_one(record):
            key = each.pack, each.resolution, each.start[0]
            if key not in kept or kept[key].revision <= each.revision:
                kept[key] = each
    tables = [each for each in records if isinstance(each, CriticalCellsRecord)]
    days = [each for each in records if isinstance(each, HealthDayRecord)]
    newest = {each.pack: each for each in sorted(tables, key=lambda each: each.date)}
    by_date = {each.date: each for each in sorted(days, key=lambda each: each.revision)}

    def place(key: tuple[str, str, int]) -> tuple[object, int, int]:
        return natural_key(key[0]), LEVELS.index(key[1]), key[2]

    return SystemData(
        battery,
        [kept[key] for key in sorted(kept, key=place)],
        newest,
        [by_date[date] for date in sorted(by_date)],
        _limits([each for each in records if isinstance(each, SignalWindowsRecord)]),
    )


def _limits(records: Sequence[SignalWindowsRecord]) -> Mapping[str, str] | None:
    told = [each for each in records if each.evaluability]
    if not told:
        return None
    newest = max(told, key=lambda each: (each.start[-1], each.revision[-1]))
    return newest.evaluability[-1] if newest.evaluability else None


def cells(record: CellWindowsRecord, name: str) -> Floats:
    """A column of a record of one window (cells,); NaN where a cell has no value."""
    found: Floats = np.array(getattr(record, name)[0], dtype=np.float64)
    return found


def chosen(names: Iterable[str], asked: str) -> str:
    """Which of the systems ``site/system`` is meant by that, or by the system alone.

    Raises
    ------
    NotFoundError
        None is, or several are.
    """
    every = sorted(set(names), key=natural_key)
    found = [each for each in every if asked in (each, each.partition("/")[2])]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFoundError(f"{asked} is the name of several: say {' or '.join(found)}")
    known = f"there are {', '.join(every)}" if every else "there is none at all"
    raise NotFoundError(f"no battery system {asked}: {known}")
