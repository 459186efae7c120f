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
        Column -> cells that hold no number, or none that can be; treated as missing.
    empty_cells
        Column -> cells of power without a value.
    back_steps
        Rows earlier than the one before; they are passed on.
    put_in_order
        Rows earlier than the one before that came in time for their place.
    shared_slots
        File -> rows that gave way to a later one in the same slot of the grid.
    notes
        Files that overlap, lack columns or have no rows.
    """

    refused: dict[str, Tally] = field(default_factory=dict)
    text_cells: dict[str, Tally] = field(default_factory=dict)
    empty_cells: Counter[str] = field(default_factory=Counter)
    back_steps: Tally = field(default_factory=Tally)
    put_in_order: Tally = field(default_factory=Tally)
    shared_slots: Counter[str] = field(default_factory=Counter)
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

    def lines(self) -> list[str]:
        """Say everything in lines for people; none when there is nothing to say."""
        refused = [
            f"refused {_with_places(reason, tally, 'rows')}"
            for reason, tally in sorted(self.refused.items())
        ]
        text = [
            f"not a number: {_with_places(repr(column), tally, 'cells')}"
            for column, tally in islice(sorted(self.text_cells.items()), SHOWN)
        ]
        return [*refused, *text, *self._totals(), *self.notes]

    def _totals(self) -> list[str]:
        lines = []
        if len(self.text_cells) > SHOWN:
            cells = sum(tally.count for tally in self.text_cells.values())
            lines.append(
                f"not a number: {cells:,} cells in {len(self.text_cells):,} columns in all"
            )
        if self.empty_cells:
            columns = len(self.empty_cells)
            lines.append(f"empty: {self.empty_cells.total():,} cells in {columns:,} columns")
        if self.back_steps.count:
            lines.append(_with_places("rows earlier than the one before", self.back_steps, "rows"))
        if self.put_in_order.count:
            lines.append(_with_places("rows back in time, put in order", self.put_in_order, "rows"))
        if self.shared_slots:
            rows, files = self.shared_slots.total(), len(self.shared_slots)
            lines.append(
                f"slots of the grid that more than one row fell into: {rows:,} rows of {files:,} "
                "files gave way to a later one"
            )
        return lines


def _with_places(what: str, tally: Tally, unit: str) -> str:
    more = tally.count - len(tally.places)
    places = "; ".join(tally.places) + (f"; and {more:,} more" if more > 0 else "")
    return f"{what}: {tally.count:,} {unit} ({places})"
