"""What an export of cells is to be."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Literal, get_args
from zoneinfo import ZoneInfo

import numpy as np

from replay.sample.spec import SampleError, known_zone, span_of, within
from stream_app.core.calendar import first_instant
from stream_app.core.energy import Ints

FaultKind = Literal["weak", "drift", "hot", "stuck", "smoke"]
FAULTS: tuple[FaultKind, ...] = get_args(FaultKind)
_MOST_VALUES = 2_000_000_000
_MOST_ROWS = 400_000
_CELLS_A_FAULT = 5
"""A fault takes a cell and two neighbours on either side."""


@dataclass(frozen=True)
class CellSpec:
    """An export of cells; equal specs give equal bytes.

    Attributes
    ----------
    start, days, zone
        First local day, number of local days, IANA zone. Times are naive local ones.
    interval_s
        Time between rows [s].
    systems, packs, cells, meters
        Numbers: of systems, of packs in each, of cells in series in each pack; of meters.
    faults
        Kinds of which there is one each in the whole export.
    clocks
        The clocks of the files differ by some seconds, and tremble.
    gaps
        Files without some of their rows, that start late, or are not there.
    capacity_ratio
        Capacity that is left of the rated one.
    """

    start: date = date(2025, 10, 20)
    days: int = 10
    interval_s: int = 60
    zone: str = "Europe/Berlin"
    systems: int = 3
    packs: int = 5
    cells: int = 52
    meters: int = 2
    seed: int = 1
    faults: tuple[FaultKind, ...] = FAULTS
    clocks: bool = True
    gaps: bool = True
    capacity_ratio: float = 0.974

    def __post_init__(self) -> None:
        within("days", self.days, 1, 3660)
        within("interval", self.interval_s, 1, 3600, "seconds")
        within("systems", self.systems, 1, 1000)
        within("packs", self.packs, 1, 100)
        within("cells", self.cells, 4, 1000)
        within("meters", self.meters, 0, 1000)
        within("seed", self.seed, 0, 2**63)
        if not 0.5 <= self.capacity_ratio <= 1.2:
            raise SampleError(f"capacity ratio: {self.capacity_ratio} is not from 0.5 to 1.2")
        known_zone(self.zone)
        unknown = set(self.faults) - set(FAULTS)
        if unknown:
            raise SampleError(f"no fault {min(unknown)!r}; known: {', '.join(FAULTS)}")
        at_cells = [kind for kind in self.faults if kind != "smoke"]
        if len(at_cells) > self.systems * self.packs * -(-self.cells // _CELLS_A_FAULT):
            raise SampleError(
                f"too few cells for {len(at_cells)} faults; take more packs, or --faults"
            )
        if self.times.size > _MOST_ROWS:
            raise SampleError(
                f"{self.times.size:,} rows a file are more than {_MOST_ROWS:,}; "
                "take fewer days or a longer interval"
            )
        if self.times.size * self.systems * self.packs * self.cells > _MOST_VALUES:
            raise SampleError(f"more than {_MOST_VALUES:,} voltages; take fewer days or systems")

    @cached_property
    def span(self) -> tuple[int, int]:
        """First instant and the one after the last [ms UTC]."""
        return span_of(self.start, self.days, self.zone)

    @cached_property
    def times(self) -> Ints:
        """(n,) [ms UTC] of the rows."""
        return np.arange(*self.span, self.interval_s * 1000, dtype=np.int64)

    @cached_property
    def midnights(self) -> Ints:
        """(days + 1,) first instants of the local days, and of the day after."""
        zone = ZoneInfo(self.zone)
        days = [self.start + timedelta(days=n) for n in range(self.days + 1)]
        return np.array([first_instant(day, zone) for day in days], dtype=np.int64)

    @property
    def system_names(self) -> list[str]:
        return [f"bess{number}" for number in range(1, self.systems + 1)]
