"""Whether a pack rests or carries load, and where on its curve: what its cells are judged by."""

from dataclasses import dataclass

import numpy as np

from stream_app.core.battery import BatteryRules
from stream_app.core.cells.limits import PLATEAU, REST, STEEP, STEEP_REST, UNKNOWN, CellLimits
from stream_app.core.cells.quantities import MA_PER_A, PPM
from stream_app.core.cells.sums import Pack, value_of
from stream_app.core.cells.windows import Windows
from stream_app.core.energy import Ints


@dataclass
class RegimeState:
    """What is remembered of the newest closed five-minute window; None before there is one.

    Attributes
    ----------
    end, quiet_since
        Its end, and since when the pack has been quiet [ms UTC].
    median
        Lowest and highest of its median voltage [uV].
    """

    end: int | None = None
    quiet_since: int | None = None
    median: tuple[int, int] | None = None


def regimes(state: RegimeState, limits: CellLimits, rules: BatteryRules, windows: Windows) -> Ints:
    """Regime of each five-minute window (n,), as places in ``REGIMES``.

    Load comes from the string's current; where there is none a pack is never seen to rest. The
    part of the curve comes from the string's state of charge where there is one, and always from
    the level and the movement of the median voltage.
    """
    pack = windows.sums.pack
    rests = _rests(state, rules, windows)
    low, high = (value_of(pack[key]) for key in (Pack.V_MEDIAN_LOW, Pack.V_MEDIAN_HIGH))
    steep = (low <= limits.plateau_uv[0]) | (high >= limits.plateau_uv[1])
    steep |= _moves(state, low, high, windows) > limits.moving_uv
    charge = pack[Pack.SOC_ROWS] > 0
    edges = [round(ratio * PPM) for ratio in limits.plateau_ratio]
    steep |= charge & (value_of(pack[Pack.SOC_LOW]) < edges[0])
    steep |= charge & (value_of(pack[Pack.SOC_HIGH]) > edges[1])
    found: Ints = np.where(
        steep, np.where(rests, STEEP_REST, STEEP), np.where(rests, REST, PLATEAU)
    )
    found[pack[Pack.V_ROWS] == 0] = UNKNOWN
    return found


def _rests(state: RegimeState, rules: BatteryRules, windows: Windows) -> Ints:
    """Which windows come after the battery has been quiet long enough, and are so themselves.

    Quiet is a window in which the current is known at least once, and never beyond the limit.
    """
    pack = windows.sums.pack
    current = value_of(pack[Pack.CURRENT])
    # The largest current that is known, which need not come with every row.
    quiet = (pack[Pack.CURRENT_ROWS] > 0) & (current <= round(rules.rest_a * MA_PER_A))
    found = np.zeros(windows.size, dtype=np.int64)
    spans = zip(windows.starts.tolist(), windows.ends.tolist(), quiet.tolist(), strict=True)
    for at, (start, end, is_quiet) in enumerate(spans):
        after_gap = state.end is None or start - state.end > rules.max_gap_ms
        if not is_quiet:
            state.quiet_since = None
        elif after_gap or state.quiet_since is None:
            state.quiet_since = start
        found[at] = state.quiet_since is not None and end - state.quiet_since > rules.rest_ms
        state.end = end
    return found


def _moves(state: RegimeState, low: Ints, high: Ints, windows: Windows) -> Ints:
    """How far the median moved within each window and from the one before [uV]."""
    known = np.flatnonzero(windows.sums.pack[Pack.V_ROWS])
    found = np.zeros(windows.size, dtype=np.int64)
    if not known.size:
        return found
    first = state.median or (int(low[known[0]]), int(high[known[0]]))
    lows, highs = np.append(first[0], low[known]), np.append(first[1], high[known])
    state.median = int(lows[-1]), int(highs[-1])
    found[known] = np.maximum(highs[1:], highs[:-1]) - np.minimum(lows[1:], lows[:-1])
    return found
