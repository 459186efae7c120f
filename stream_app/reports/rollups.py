"""Windows unpacked from columnar rollups: one line for each enclosure and window."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.results import RollupRecord
from stream_app.codec.results import iso
from stream_app.core.order import natural_key
from stream_app.reports.daily import csv_line, kwh_text

Ints = NDArray[np.int64]
Row = tuple[Any, ...]

COLUMNS = (
    "site",
    "block",
    "enclosure_id",
    "resolution",
    "start",
    "end",
    "charged_kwh",
    "discharged_kwh",
    "coverage",
    "net_kwh",
    "error_bound_kwh",
    "samples",
    "gaps",
    "outside_rating",
    "frozen",
    "conflicts",
    "revision",
    "final",
)
START, REVISION = 0, 12
"""Rows of a matrix of windows."""
PPM = 1_000_000
_numbers = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True)
class Selection:
    """Which windows are wanted; None: all. ``since`` <= start of a window < ``until`` [ms UTC]."""

    site: str | None = None
    enclosure: str | None = None
    since: int | None = None
    until: int | None = None

    def columns(self, record: RollupRecord) -> Ints:
        """Places of the wanted windows in a record."""
        if self.site not in (None, record.site):
            return np.empty(0, dtype=np.int64)
        if self.enclosure is not None and self.enclosure not in record.enclosures:
            return np.empty(0, dtype=np.int64)
        starts = np.array(record.start, dtype=np.int64)
        wanted = np.ones(starts.size, dtype=np.bool_)
        if self.since is not None:
            wanted &= starts >= self.since
        if self.until is not None:
            wanted &= starts < self.until
        return np.flatnonzero(wanted)


@dataclass
class Windows:
    """Windows gathered from rollup records, in columns: about 130 bytes a window of an input."""

    selection: Selection = Selection()
    _runs: defaultdict[tuple[str, str], list[tuple[str, str, Ints]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(self, record: RollupRecord) -> None:
        """Take the wanted windows of a record."""
        places = self.selection.columns(record)
        if places.size:
            run = _matrix(record)[:, places]
            for enclosure in record.enclosures:
                if self.selection.enclosure in (None, enclosure):
                    key = record.site, enclosure
                    self._runs[key].append((record.block, record.resolution, run))

    def __bool__(self) -> bool:
        return bool(self._runs)

    def rows(self) -> Iterator[Row]:
        """Rows of the highest revision of each window, by site, enclosure and start."""
        for site, enclosure in sorted(self._runs, key=lambda key: (key[0], natural_key(key[1]))):
            yield from _rows(site, enclosure, self._runs[site, enclosure])


def csv_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Lines of CSV, header first."""
    yield csv_line(COLUMNS)
    for row in rows:
        yield csv_line((*row[:-1], str(row[-1]).lower()))


def json_lines(rows: Iterable[Row]) -> Iterator[str]:
    """One JSON object a line; energy as decimal numbers."""
    for row in rows:
        yield _numbers.encode(dict(zip(COLUMNS, row, strict=True))).decode() + "\n"


FORMATS: Mapping[str, Callable[[Iterable[Row]], Iterator[str]]] = {
    "csv": csv_lines,
    "jsonl": json_lines,
}


def _matrix(record: RollupRecord) -> Ints:
    """Columns of a record as integers: (14, windows); coverage in ppm, as it is rounded."""
    size, quality = len(record.start), record.quality
    zeros = [0] * size
    return np.array(
        [
            record.start,
            record.end,
            record.charged_w_ms,
            record.discharged_w_ms,
            np.rint(np.array(record.coverage) * PPM).astype(np.int64),
            record.net_w_ms,
            record.error_bound_w_ms,
            record.samples,
            quality.gaps or zeros,
            quality.outside_rating or zeros,
            quality.frozen or zeros,
            quality.conflicts or zeros,
            record.revision,
            [record.final] * size,
        ],
        dtype=np.int64,
    )


def _rows(site: str, enclosure: str, runs: list[tuple[str, str, Ints]]) -> Iterator[Row]:
    sources = np.repeat(np.arange(len(runs)), [run.shape[1] for _, _, run in runs])
    columns = np.concatenate([run for _, _, run in runs], axis=1)
    order = np.lexsort((columns[REVISION], columns[START]))
    starts = columns[START, order]
    newest = order[np.append(starts[1:] != starts[:-1], True)]
    for source, (start, end, *figures) in zip(
        sources[newest].tolist(), columns[:, newest].T.tolist(), strict=True
    ):
        block, resolution, _ = runs[source]
        yield (site, block, enclosure, resolution, iso(start), iso(end), *_figures(figures))


def _figures(figures: list[int]) -> Row:
    into, out, ppm, net, bound, *counts, final = figures
    coverage = Decimal(ppm).scaleb(-6)
    energies = [Decimal(kwh_text(each)) for each in (into, out, net, bound)]
    return (*energies[:2], coverage, *energies[2:], *counts, bool(final))
