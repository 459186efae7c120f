"""The defects of a sample export: planned once for the whole span, then planted row by row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from replay.sample.spec import SampleSpec

Kind = Literal[
    "missing rows",
    "missing cells",
    "empty cell",
    "text cell",
    "repeated hour",
    "skipped hour",
    "weak input",
]
TEXTS = ("Bad Input", "No Data")
LONGEST_GAP_ROWS = 12


@dataclass(frozen=True)
class Defect:
    """One defect and its place.

    Attributes
    ----------
    kind
        What is wrong.
    start, end
        Half-open stretch [ms UTC].
    columns
        The columns concerned; empty: all.
    text
        What stands in a text cell.
    """

    kind: Kind
    start: int
    end: int
    columns: tuple[str, ...] = ()
    text: str | None = None

    def rows(self, times: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of ``times`` it concerns."""
        return (times >= self.start) & (times < self.end)


def plan(spec: SampleSpec, weak_input: int) -> tuple[Defect, ...]:
    """All defects of a spec, in order of time."""
    rng = np.random.default_rng([spec.seed, 3])
    found = list(_clock_changes(spec)) if spec.clock_change else []
    gaps, cells = list(_gaps(spec, rng)), list(_cells(spec, rng))
    found += gaps if spec.gaps else []
    found += [cell for cell in cells if not _hidden(cell, found)] if spec.bad_cells else []
    if spec.weak:
        found.append(Defect("weak input", *spec.span, (spec.power_columns[weak_input],)))
    real = [each for each in found if each.start < each.end]
    return tuple(sorted(real, key=lambda each: (each.start, each.kind, each.columns)))


def _hidden(cell: Defect, others: Sequence[Defect]) -> bool:
    return any(
        each.start <= cell.start < each.end
        and (not each.columns or set(cell.columns) & {*each.columns})
        for each in of_kind(others, "missing rows", "missing cells")
    )


def _gaps(spec: SampleSpec, rng: np.random.Generator) -> Iterator[Defect]:
    for number in range(max(1, spec.days // 5)):
        yield Defect("missing rows", *_stretch(spec, rng, 8 if number == 0 else None))
    for number in range(max(2, spec.days // 5)):
        inverter = 2 * int(rng.integers(spec.inverters))
        columns = spec.power_columns[inverter : inverter + (1 if number % 2 else 2)]
        yield Defect("missing cells", *_stretch(spec, rng, 8 if number < 2 else None), columns)


def _cells(spec: SampleSpec, rng: np.random.Generator) -> Iterator[Defect]:
    columns = (*spec.power_columns, *spec.battery_column_names)
    for number in range(max(4, spec.days)):
        among = columns if number % 4 == 3 else spec.power_columns
        place = (*_stretch(spec, rng, 1), (str(rng.choice(among)),))
        if number % 2:
            yield Defect("empty cell", *place)
        else:
            yield Defect("text cell", *place, TEXTS[number // 2 % 2])


def _stretch(spec: SampleSpec, rng: np.random.Generator, rows: int | None) -> tuple[int, int]:
    """Pick whole rows inside the span; neither its first nor its last."""
    start, end = spec.span
    total = (end - start) // spec.interval_ms
    length = int(rng.integers(1, LONGEST_GAP_ROWS + 1)) if rows is None else rows
    first = int(rng.integers(1, max(2, total - length)))
    begin = start + first * spec.interval_ms
    return begin, min(begin + length * spec.interval_ms, end - spec.interval_ms)


def _clock_changes(spec: SampleSpec) -> Iterator[Defect]:
    zone, (start, end) = ZoneInfo(spec.zone), spec.span
    hours = [*range(start, end, 3_600_000), end]
    for before, after in pairwise(hours):
        turn = _offset_ms(after, zone) - _offset_ms(before, zone)
        if turn:
            at = _change(before, after, zone)
            yield Defect("skipped hour" if turn > 0 else "repeated hour", at, at + abs(turn))


def _change(low: int, high: int, zone: ZoneInfo) -> int:
    old = _offset_ms(low, zone)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset_ms(middle, zone) == old else (low, middle)
    return high


def _offset_ms(instant: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(instant / 1000, tz=UTC).astimezone(zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds() * 1000)


def of_kind(defects: Sequence[Defect], *kinds: Kind) -> list[Defect]:
    """Those of some kinds."""
    return [each for each in defects if each.kind in kinds]
