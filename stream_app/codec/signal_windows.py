"""Windows of a battery system's signals as records."""

from collections.abc import Iterator

import numpy as np

from schemas import topics
from schemas.results_battery import Rows, SignalWindowsRecord
from stream_app.codec.results import MOST_VALUES, Output, output
from stream_app.core.battery import Battery
from stream_app.core.energy import Floats, Ints
from stream_app.core.health.extremes import evaluable_limits
from stream_app.core.health.signals import keeps
from stream_app.core.health.windows import REFUSALS, SAMPLES, SignalWindows


def signal_records(battery: Battery, found: SignalWindows) -> Iterator[Output]:
    """A run of windows in as many records as it takes."""
    step = max(1, MOST_VALUES // max(1, len(found.windows.names)))
    for first in range(0, found.size, step):
        yield signal_windows(battery, found.between(first, first + step))


def signal_windows(battery: Battery, found: SignalWindows) -> Output:
    """A record of windows; lowest values only of signals that are kept by their extremes."""
    windows, kept = found.windows, keeps(battery)
    counts = windows.sums[[SAMPLES, REFUSALS]]
    came = np.flatnonzero(counts.any(axis=(0, 1))).tolist()
    names = [windows.names[place] for place in came]
    pairs = [found.extremes(place) for place in came]
    lows = [
        low if kept.get(name, "extremes") == "extremes" else np.full(found.size, np.nan)
        for name, (low, _) in zip(names, pairs, strict=True)
    ]
    record = SignalWindowsRecord(
        v=1,
        id=f"{battery.key}/{found.resolution}",
        site=battery.site,
        system=battery.system,
        zone=battery.zone,
        resolution=found.resolution,  # type: ignore[arg-type]
        final=found.final,
        start=windows.starts.tolist(),
        end=windows.ends.tolist(),
        revision=found.revisions.tolist(),
        rows=windows.rows.tolist(),
        signals=names,
        samples=counts[0][:, came].tolist(),
        refused=counts[1][:, came].tolist(),
        lowest=_rows(lows, found.size),
        highest=_rows([high for _, high in pairs], found.size),
        evaluability=_evaluable(battery, found.resolution, names, counts[0][:, came]),
    )
    topic = topics.SIGNALS[found.resolution]
    return output(topic, battery.key, record, int(windows.starts[0]))


def _evaluable(
    battery: Battery, resolution: str, names: list[str], samples: Ints
) -> list[dict[str, str]] | None:
    """What each day can tell of cells, of a system without packs; ``samples`` (days, names)."""
    if resolution != "1d" or battery.packs:
        return None
    days = ([name for name, n in zip(names, row, strict=True) if n] for row in samples.tolist())
    return [{**evaluable_limits(battery, came)} for came in days]


def _rows(columns: list[Floats], size: int) -> Rows:
    """A row for each window; the encoder writes NaN as null."""
    table = np.array(columns).reshape(len(columns), size).T
    rows: Rows = [list(row) for row in table.tolist()]
    return rows
