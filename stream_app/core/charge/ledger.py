"""The charge ledger: what the current says of the charge, independent of the BMS.

Charge is a whole number of mA ms (uC) for each stretch between two samples, so a running sum is
the same however the samples came. Counters only ever grow, but for the net charge; what happened
since an anchor is the difference of two readings.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from stream_app.core.battery import Battery
from stream_app.core.energy import Ints
from stream_app.core.slots import BOUND, IN, KNOWN, OUT
from stream_app.core.windows import add_by_window

NET, THROUGHPUT, KNOWN_MS, METHOD, GAPS = range(5)
"""Counters: net charge out, charge in either direction [uC], time in which the current is known
[ms], how far the net may be wrong by sampling [uC], number of gaps."""
COUNTERS = 5
PPM = 1_000_000
UC_PER_AH = 3_600_000_000

AnchorKind = Literal["rest", "full", "empty"]


@dataclass
class Anchor:
    """A moment at which the charge was known.

    Attributes
    ----------
    time
        [ms UTC].
    kind
        Rested long enough where the voltage tells the charge; or full, or empty.
    soc, error
        By the voltage, and how far it may be wrong [ppm].
    counters
        Of the ledger then.
    capacity, doubt
        By which charge since then becomes SOC [uC], 0: not known; its relative error [ppm].
    """

    time: int
    kind: AnchorKind
    soc: int
    error: int
    counters: list[int]
    capacity: int = 0
    doubt: int = 0


@dataclass(frozen=True)
class Capacity:
    """Capacity between two rests: when the second was [ms UTC], [uC], and its error [uC]."""

    time: int
    charge: int
    error: int


@dataclass
class Ledger:
    """Running counters, as they stand at the newest sample of the current."""

    counters: list[int] = field(default_factory=lambda: [0] * COUNTERS)


def rated_charge(battery: Battery) -> int:
    """Rated capacity [uC], 0 if not known."""
    return round((battery.capacity_ah or 0.0) * UC_PER_AH)


def advance(ledger: Ledger, times: Ints, pieces: tuple[Ints, Ints], max_gap_ms: int) -> Ints:
    """Counters at each current sample.

    Parameters
    ----------
    times
        (n,), the first is the sample that the counters stand at.
    pieces
        Integral [mA ms] between them.

    Returns
    -------
    (COUNTERS, n); those of the last sample are kept.
    """
    starts, rows = pieces
    steps = np.zeros((4, times.size), dtype=np.int64)
    add_by_window(steps[:, 1:], times, starts, rows)
    grown = np.zeros((COUNTERS, times.size), dtype=np.int64)
    grown[NET] = steps[OUT] - steps[IN]
    grown[THROUGHPUT] = steps[OUT] + steps[IN]
    grown[KNOWN_MS], grown[METHOD] = steps[KNOWN], steps[BOUND]
    grown[GAPS, 1:] = np.diff(times) > max_gap_ms
    grown[:, 0] += ledger.counters
    counters = np.cumsum(grown, axis=1)
    ledger.counters = counters[:, -1].tolist()
    return counters
