"""What rows of a pack brought about, told to the table of critical cells in event time."""

from dataclasses import dataclass, field

import numpy as np

from stream_app.core.cells.alarms import peaks
from stream_app.core.cells.anomalies import Anomalies
from stream_app.core.cells.critical import (
    CriticalCells,
    CriticalState,
    Day,
    Peak,
    close_day,
    note,
    note_peak,
)
from stream_app.core.cells.findings import CellFinding
from stream_app.core.cells.limits import CellLimits
from stream_app.core.cells.sums import Cell
from stream_app.core.cells.windows import Windows
from stream_app.core.energy import Ints

_OF_WINDOW, _PEAK, _DAY, _OF_ROW = range(4)
"""At one instant: what windows that end then have shown, the end of the day, its rows."""


@dataclass
class Story:
    """Findings and closed days of a batch of one pack.

    Attributes
    ----------
    alarms, windows
        Findings of rows and of windows, each with the row that showed it.
    peaks
        How far conditions went, with the end of the window [ms UTC].
    days
        Local days that closed.
    """

    pack: str
    state: CriticalState
    alarms: list[tuple[int, CellFinding]] = field(default_factory=list)
    windows: list[tuple[int, CellFinding]] = field(default_factory=list)
    peaks: list[tuple[int, Peak]] = field(default_factory=list)
    days: list[Day] = field(default_factory=list)

    def judged(self, found: Anomalies, limits: CellLimits, windows: Windows, closing: Ints) -> None:
        """Take up what windows have shown; ``closing`` are the rows that closed them."""
        self.windows += [(int(closing[at]), finding) for at, finding in found.findings]
        every = [*found.peaks, *peaks(limits, windows)]
        self.peaks += [(int(windows.ends[at]), peak) for at, peak in every]

    def closed(self, windows: Windows) -> None:
        """Take up local days that closed."""
        counts = (windows.sums.cells[each] for each in (Cell.V_COUNT, Cell.T_COUNT))
        cells = [[frozenset(np.flatnonzero(day).tolist()) for day in each] for each in counts]
        spans = windows.starts.tolist(), windows.ends.tolist()
        self.days += [Day(*each) for each in zip(*spans, *cells, strict=True)]

    @property
    def findings(self) -> list[tuple[int, CellFinding]]:
        """All, each with the row that showed it."""
        return self.alarms + self.windows

    def told(self) -> list[CriticalCells]:
        """The tables of the days that closed, once all has been told in event time."""
        events: list[tuple[int, int, CellFinding | Peak | Day]] = [
            *((finding.time, _OF_ROW, finding) for _, finding in self.alarms),
            *((finding.time, _OF_WINDOW, finding) for _, finding in self.windows),
            *((time, _PEAK, peak) for time, peak in self.peaks),
            *((day.end, _DAY, day) for day in self.days),
        ]
        tables = []
        for _, _, event in sorted(events, key=lambda each: each[:2]):
            if isinstance(event, CellFinding):
                note(self.state, event)
            elif isinstance(event, Peak):
                note_peak(self.state, event)
            else:
                tables.append(close_day(self.state, self.pack, event))
        return [table for table in tables if table is not None]
