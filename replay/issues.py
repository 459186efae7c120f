"""What could not be used of an export: every case counted, the first ones with their place."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

SHOWN = 5


@dataclass
class Tally:
    """A number of cases and the places of the first few."""

    count: int = 0
    places: list[str] = field(default_factory=list)

    def add(self, count: int, places: Iterable[str]) -> None:
        self.count += count
        self.places += islice(places, max(0, SHOWN - len(self.places)))


@dataclass
class Issues:
    """Cases of one pass over an export. Rows count from 1 after the header.

    Attributes
    ----------
    refused
        Reason -> rows that were left out altogether.
    text_cells
        Column -> cells of power that hold no number, or none within 1e9 W; treated as missing.
    empty_cells
        Column -> cells of power without a value.
    back_steps
        Rows earlier than the one before; they are passed on.
    notes
        Files that overlap, lack columns or have no rows.
    """

    refused: dict[str, Tally] = field(default_factory=dict)
    text_cells: dict[str, Tally] = field(default_factory=dict)
    empty_cells: Counter[str] = field(default_factory=Counter)
    back_steps: Tally = field(default_factory=Tally)
    notes: list[str] = field(default_factory=list)

    @property
    def refused_rows(self) -> int:
        return sum(tally.count for tally in self.refused.values())

    def refuse(self, reason: str, places: Sequence[str], count: int | None = None) -> None:
        """Count refused rows; ``count`` where only the first places are given."""
        tally = self.refused.setdefault(reason, Tally())
        tally.add(len(places) if count is None else count, places)

    def text(self, column: str, count: int, places: Iterable[str]) -> None:
        self.text_cells.setdefault(column, Tally()).add(count, places)
