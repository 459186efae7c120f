"""What the packs of a battery show at one time: signals of the system that no file holds.

One cell that is weak or whose sensor is stuck is the highest or lowest of all, but moves no median.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from stream_app.core.energy import Floats, Ints

PACK_SIGNALS = ("pack_median_max_v", "pack_median_min_v", "pack_spread_v")
"""Highest and lowest of the packs' median cell voltages, and the largest spread within a pack."""
LEAST_PART = 0.5
"""Of the cells of a pack that must have a voltage."""


def pack_signals(times: Ints, packs: Sequence[tuple[Ints, Floats]]) -> Mapping[str, Floats]:
    """Signals (n,) at ``times``, NaN where a pack has no voltages then.

    Parameters
    ----------
    times
        (n,) strictly rising [ms UTC].
    packs
        At least one: its times (m,), strictly rising, and voltages (m, cells), NaN = none, as of a
        cell that is stuck.
    """
    medians, spreads = (np.full((len(packs), times.size), np.nan) for _ in range(2))
    for pack, (own, voltages) in enumerate(packs):
        rows = np.flatnonzero(np.isin(own, times, assume_unique=True))
        at = np.searchsorted(times, own[rows])
        medians[pack, at], spreads[pack, at] = _of_rows(voltages[rows])
    found = medians.max(axis=0), medians.min(axis=0), spreads.max(axis=0)
    return dict(zip(PACK_SIGNALS, found, strict=True))


def _of_rows(voltages: Floats) -> tuple[Floats, Floats]:
    """Median and spread of each row (n, cells); NaN where too few cells have a value."""
    cells = voltages.shape[1]
    ranked = np.sort(voltages, axis=1)  # NaN come last
    known = cells - np.isnan(ranked).sum(axis=1)
    rows, last = np.arange(known.size), np.maximum(known - 1, 0)
    middle = (ranked[rows, last // 2] + ranked[rows, np.minimum(known // 2, last)]) / 2
    enough = known >= LEAST_PART * cells
    spread = ranked[rows, last] - ranked[:, 0]
    return np.where(enough, middle, np.nan), np.where(enough, spread, np.nan)
