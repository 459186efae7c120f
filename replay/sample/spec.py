"""What a sample export is to be: size, time span, shape of the files, which defects."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stream_app.core.calendar import first_instant

TIMESTAMP = "Timestamp"
AREAS_OF_A_SECTION = "ABCDEF"
INVERTERS_OF_AN_AREA = 6
BATTERY_QUANTITIES = (
    "SOC (%)",
    "Max cell temperature (degC)",
    "Min cell temperature (degC)",
    "DC voltage (V)",
    "Max cell voltage (V)",
    "Min cell voltage (V)",
    "SOH (%)",
    "DC current (A)",
)


UNITS_S = {"h": 3600, "min": 60, "s": 1}


class SampleError(ValueError):
    """The sample cannot be written as asked; the message says why and what to do."""


@dataclass(frozen=True)
class SampleSpec:
    """A sample export; equal specs give equal bytes.

    Attributes
    ----------
    start, days, zone
        First local day, number of local days, IANA zone of the station.
    interval_s
        Time between rows [s].
    inverters, enclosures
        Size of the station; ``mixed`` takes 6 and 4 enclosures an inverter in turn.
    battery_columns
        Columns an enclosure, from 1 to 8.
    gaps
        Missing rows, and missing stretches of the cells of an inverter or of one DC input.
    bad_cells
        Some empty and some text cells.
    clock_change
        Naive local time, so that an hour repeats or is skipped where the zone says so; without it
        every timestamp carries its offset.
    shuffle
        Columns in an order that differs from file to file.
    weak
        One DC input gives clearly less than the others.
    """

    start: date = date(2025, 4, 1)
    days: int = 7
    interval_s: int = 900
    zone: str = "Australia/Sydney"
    inverters: int = 6
    enclosures: Literal["6", "4", "mixed"] = "mixed"
    seed: int = 1
    format: Literal["parquet", "csv"] = "parquet"
    files_per: Literal["day", "month", "one"] = "month"
    battery_columns: int = 4
    gaps: bool = True
    bad_cells: bool = True
    clock_change: bool = True
    shuffle: bool = True
    weak: bool = True

    def __post_init__(self) -> None:
        within("days", self.days, 1, 3660)
        within("interval", self.interval_s, 1, 86_400, "seconds")
        within("inverters", self.inverters, 1, 2000)
        within("battery columns", self.battery_columns, 1, len(BATTERY_QUANTITIES))
        within("seed", self.seed, 0, 2**63)
        known_zone(self.zone)

    @property
    def interval_ms(self) -> int:
        return self.interval_s * 1000

    @cached_property
    def days_of_span(self) -> tuple[date, ...]:
        """Local days, in order."""
        return tuple(self.start + timedelta(days=n) for n in range(self.days))

    @cached_property
    def span(self) -> tuple[int, int]:
        """First instant and the one after the last [ms UTC]."""
        return span_of(self.start, self.days, self.zone)

    @cached_property
    def inverter_names(self) -> tuple[str, ...]:
        """Names such as ``1APCS1``."""
        return tuple(f"{area}PCS{number}" for area, number in map(_place, range(self.inverters)))

    @cached_property
    def enclosure_names(self) -> tuple[tuple[str, ...], ...]:
        """For each inverter the names of its enclosures, such as ``1A1BAT1``."""
        return tuple(self._enclosures(inverter) for inverter in range(self.inverters))

    @cached_property
    def power_columns(self) -> tuple[str, ...]:
        """Two an inverter."""
        return tuple(
            f"BESS{dc_input} DC Input Power (kW) [Battery Inverter {inverter}]"
            for inverter in self.inverter_names
            for dc_input in (1, 2)
        )

    @cached_property
    def battery_column_names(self) -> tuple[str, ...]:
        """By quantity, then enclosure."""
        return tuple(
            f"{quantity} [Battery system {enclosure}]"
            for quantity in BATTERY_QUANTITIES[: self.battery_columns]
            for group in self.enclosure_names
            for enclosure in group
        )

    def _enclosures(self, inverter: int) -> tuple[str, ...]:
        area, number = _place(inverter)
        count = (6, 4)[inverter % 2] if self.enclosures == "mixed" else int(self.enclosures)
        return tuple(f"{area}{number}BAT{n}" for n in range(1, count + 1))


def interval_seconds(text: str) -> int:
    """Read an interval such as ``15min``, ``1min``, ``1s`` or ``1h``, in seconds.

    Raises
    ------
    SampleError
        The text is not a whole number and a unit.
    """
    found = re.fullmatch(r"([0-9]+) *(s|min|h)", text.strip())
    if not found:
        raise SampleError(f"interval {text!r} is not a number and a unit, such as 15min, 1s or 1h")
    return int(found[1]) * UNITS_S[found[2]]


def _place(inverter: int) -> tuple[str, int]:
    area, number = divmod(inverter, INVERTERS_OF_AN_AREA)
    section, letter = divmod(area, len(AREAS_OF_A_SECTION))
    return f"{section + 1}{AREAS_OF_A_SECTION[letter]}", number + 1


def within(name: str, value: int, least: int, most: int, unit: str = "") -> None:
    """Refuse a number outside a range.

    Raises
    ------
    SampleError
        It is.
    """
    if not least <= value <= most:
        raise SampleError(f"{name}: {value} is not from {least} to {most} {unit}".rstrip())


def known_zone(name: str) -> None:
    """Refuse a time zone that there is not.

    Raises
    ------
    SampleError
        There is none of this name.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as fault:
        raise SampleError(
            f"there is no time zone {name!r}; take an IANA name such as Europe/Berlin"
        ) from fault


def span_of(start: date, days: int, zone: str) -> tuple[int, int]:
    """First instant of some local days, and the one after their last [ms UTC]."""
    place = ZoneInfo(zone)
    return first_instant(start, place), first_instant(start + timedelta(days=days), place)
