"""Power samples to energy, as integers that add up exactly.

The finest entry of the ledger is one enclosure's share of one piece: the stretch between two
samples, cut at the edges of five-minute slots. Its energy is a whole number of W ms (1 W ms = 1 mJ)
that depends on the two samples, the edges and the share alone, never on how input was batched.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_app.core.topology import Method

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

W_MS_PER_KWH = 3_600_000_000
DISCHARGED, CHARGED, ABOVE, BELOW = range(4)
"""Rows of a ledger: energy out, energy in, and how far the net may lie above or below it."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """Stretches of known power inside one slot each, in time order; arrays of shape (n,).

    ``start`` [ms UTC], ``length`` [ms], ``p0``/``p1`` power at both ends [W], ``low``/``high``
    the smaller and larger of the two samples that the piece lies between [W].
    """

    start: Ints
    length: Ints
    p0: Floats
    p1: Floats
    low: Floats
    high: Floats

    def where(self, mask: Bools) -> "Pieces":
        """Those pieces that the mask selects."""
        ends = self.p0[mask], self.p1[mask]
        return Pieces(self.start[mask], self.length[mask], *ends, self.low[mask], self.high[mask])


def pieces(
    times: Ints, power: Floats, slots: Ints, method: Method, max_gap_ms: int, hold_ms: int
) -> Pieces:
    """Cut the known stretches between consecutive samples at the slot edges.

    Parameters
    ----------
    times, power
        Shape (n,), ms UTC strictly rising and W.
    slots
        Edges that cover ``times``.
    max_gap_ms
        A longer interval is unknown; with ``left`` its first sample still holds for ``hold_ms``.

    Returns
    -------
    Pieces of the n - 1 intervals.
    """
    begin, end, p0, p1 = times[:-1], times[1:], power[:-1], power[1:]
    known = (end - begin) <= max_gap_ms
    stop = end
    if not known.all():
        if method == "left":
            stop = np.where(known, end, np.minimum(begin + hold_ms, end))
        else:
            begin, end, stop = begin[known], end[known], stop[known]
            p0, p1 = p0[known], p1[known]
    return _cut(begin, end, stop, p0, p1 if method == "trapezoid" else p0, slots, high=p1)[0]


def cut_at(begin: Ints, end: Ints, p0: Floats, p1: Floats, slots: Ints) -> tuple[Pieces, Ints]:
    """Cut straight stretches (n,), each on its own, at the slot edges.

    Returns
    -------
    Their pieces, and of which stretch each is one.
    """
    return _cut(begin, end, end, p0, p1, slots, high=p1)


def held(time: int, power: float, slots: Ints, hold_ms: int) -> Pieces:
    """The last sample of the data with the method ``left``: it holds for ``hold_ms``."""
    begin, level = np.array([time], dtype=np.int64), np.array([power], dtype=np.float64)
    stop = begin + hold_ms
    return _cut(begin, stop, stop, level, level, slots, high=level)[0]


def _cut(
    begin: Ints, end: Ints, stop: Ints, p0: Floats, p1: Floats, slots: Ints, *, high: Floats
) -> tuple[Pieces, Ints]:
    first = np.searchsorted(slots, begin, side="right")
    cuts = np.maximum(np.searchsorted(slots, stop, side="left") - first, 0)
    lower, upper = np.minimum(p0, high), np.maximum(p0, high)
    if not cuts.any():
        return Pieces(begin, stop - begin, p0, p1, lower, upper), np.arange(begin.size)
    owner = np.repeat(np.arange(begin.size), cuts + 1)
    place = np.arange(owner.size) - np.repeat(np.cumsum(cuts + 1) - cuts - 1, cuts + 1)
    is_first, is_last = place == 0, place == cuts[owner]
    edge = first[owner] + place
    start = np.where(is_first, begin[owner], slots[edge - 1])
    finish = np.where(is_last, stop[owner], slots[np.minimum(edge, slots.size - 1)])
    rise = (p1 - p0)[owner] / (end - begin)[owner]
    at_start = p0[owner] + rise * (start - begin[owner])
    at_finish = np.where(is_last, p1[owner], p0[owner] + rise * (finish - begin[owner]))
    found = Pieces(start, finish - start, at_start, at_finish, lower[owner], upper[owner])
    return found, owner


def ledger(cut: Pieces, share: float) -> Ints:
    """Energy of each piece for one enclosure, in whole W ms.

    Power is straight inside a piece. Where it changes sign the piece splits at the zero crossing,
    ``t* = dt P0 / (P0 - P1)``, into a triangle of discharge and one of charge. If power is monotone
    between the two samples, the true net energy lies within ``[net - BELOW, net + ABOVE]``.

    Returns
    -------
    int64 array of shape (4, n): DISCHARGED, CHARGED, ABOVE, BELOW, each >= 0.
    """
    scaled = cut.length * share
    out, into = _by_sign(cut.p0, cut.p1)
    net = (cut.p0 + cut.p1) * 0.5
    rows = (out, into, np.maximum(cut.high - net, 0.0), np.maximum(net - cut.low, 0.0))
    return np.stack([np.rint(row * scaled).astype(np.int64) for row in rows])


def _by_sign(p0: Floats, p1: Floats) -> tuple[Floats, Floats]:
    # Halved last: half of the smallest number is zero.
    out = np.maximum(p0, 0.0) + np.maximum(p1, 0.0)
    into = np.maximum(-p0, 0.0) + np.maximum(-p1, 0.0)
    crossing = np.flatnonzero((p0 > 0.0) & (p1 < 0.0) | (p0 < 0.0) & (p1 > 0.0))
    if crossing.size:
        fraction = out[crossing] / (out[crossing] + into[crossing])
        out[crossing] *= fraction
        into[crossing] *= 1.0 - fraction
    return out * 0.5, into * 0.5


def kwh(energy_w_ms: int) -> float:
    """Energy in kWh from W ms; for display, since the ledger stays in integers."""
    return energy_w_ms / W_MS_PER_KWH
