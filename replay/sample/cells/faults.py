"""The faults of an export of cells: planned once, each with its place."""

from dataclasses import dataclass

import numpy as np

from replay.sample.cells.spec import CellSpec, FaultKind
from stream_app.core.energy import Floats, Ints

DRIFT_V_PER_H = -0.001
LARGEST_DRIFT_V = -0.08
HOT_C = 6.0
HOT_NEIGHBOURS_C = (0.3, 0.1)
"""Parts of the rise that the next and next but one cell feel."""
_RAMP_MS = 3_600_000
_SMOKE_MS = 600_000


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes
    ----------
    kind
        ``weak``: less capacity; ``drift``: voltage falls slowly against the others; ``hot``: warmer
        than the others; ``stuck``: the voltage does not change any more; ``smoke``: a flag.
    system, pack, cell
        Where; pack and cell count from 1, 0 for a flag: it is the box ``fa1``.
    start
        From when [ms UTC].
    size
        Part of the usual capacity, V an hour, degC; 1 for the rest.
    """

    kind: FaultKind
    system: str
    pack: int
    cell: int
    start: int
    size: float


def plan(spec: CellSpec) -> tuple[Fault, ...]:
    """All faults, in the order of their kinds; no two at one cell or its neighbours."""
    rng = np.random.default_rng([spec.seed, 1])
    taken: set[tuple[str, int, int]] = set()
    return tuple(_fault(kind, spec, rng, taken) for kind in spec.faults)


def _fault(
    kind: FaultKind, spec: CellSpec, rng: np.random.Generator, taken: set[tuple[str, int, int]]
) -> Fault:
    begin, end = spec.span
    start = begin + int(rng.uniform(0.2, 0.4) * (end - begin)) // 60_000 * 60_000
    if kind == "smoke":
        return Fault(kind, str(rng.choice(spec.system_names)), 0, 0, start, 1.0)
    system, pack, cell = _free_place(spec, rng, taken)
    taken.update((system, pack, near) for near in range(cell - 2, cell + 3))
    if kind == "weak":
        return Fault(kind, system, pack, cell, begin, round(float(rng.uniform(0.9, 0.92)), 3))
    return Fault(
        kind, system, pack, cell, start, {"drift": DRIFT_V_PER_H, "hot": HOT_C}.get(kind, 1)
    )


def _free_place(
    spec: CellSpec, rng: np.random.Generator, taken: set[tuple[str, int, int]]
) -> tuple[str, int, int]:
    while True:
        system = str(rng.choice(spec.system_names))
        pack = int(rng.integers(1, spec.packs + 1))
        cell = int(rng.integers(1, spec.cells + 1))
        if (system, pack, cell) not in taken:
            return system, pack, cell


def plant(fault: Fault, times: Ints, volts: Floats, warmth: Floats) -> None:
    """Change the (n, cells) voltages [V] and temperatures [degC] of the fault's pack in place."""
    after = times >= fault.start
    hours = np.maximum(times - fault.start, 0) / 3_600_000
    place = fault.cell - 1
    if fault.kind == "drift":
        volts[:, place] += np.maximum(fault.size * hours, LARGEST_DRIFT_V)
    if fault.kind == "stuck" and after.any():
        volts[after, place] = volts[np.argmax(after), place]
    if fault.kind == "hot":
        rise = fault.size * np.clip((times - fault.start) / _RAMP_MS, 0, 1)
        warmth[:, place] += rise
        for away, part in enumerate(HOT_NEIGHBOURS_C, start=1):
            for near in (place - away, place + away):
                if 0 <= near < warmth.shape[1]:
                    warmth[:, near] += part * rise


def smoke(fault: Fault, times: Ints) -> Ints:
    """(n,) the flag of the fault."""
    return ((times >= fault.start) & (times < fault.start + _SMOKE_MS)).astype(np.int64)
