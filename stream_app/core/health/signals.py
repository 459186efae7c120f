"""The signals of a battery system: those with a meaning, further ones, and unknown ones."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from stream_app.core.battery import Battery, SystemSamples, WindowRule
from stream_app.core.energy import Floats, Ints
from stream_app.core.health.columns import SIGNALS
from stream_app.core.rows import Signal

IGNORED = Signal("", 1.0)
"""Last column of a row: how many values of it belong to signals that nothing is known of."""
MOST_UNKNOWN = 32
"""Names of such signals that are kept, the first ones in order of the alphabet."""
_KNOWN = frozenset(signal.name for signal in SIGNALS)


def columns_of(battery: Battery) -> tuple[Signal, ...]:
    """The columns of a row; signals without a meaning of their own are kept as they are."""
    return _columns(frozenset(battery.signals))


@lru_cache(maxsize=1024)
def _columns(further: frozenset[str]) -> tuple[Signal, ...]:
    return (*SIGNALS, *map(Signal, sorted(further - _KNOWN)), IGNORED)


def keeps(battery: Battery) -> dict[str, WindowRule]:
    """How windows keep each known signal: temperatures by their highest value, flags too."""
    known: dict[str, WindowRule] = {
        each.name: "max" if each.name.endswith("_c") else "extremes" for each in SIGNALS
    }
    return known | dict(battery.signals)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one, if one is: ``soc`` is like ``soc_ratio``."""
    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return found[0] if found else None


def told_apart(
    samples: Iterable[SystemSamples], battery: Battery, unknown: dict[str, int]
) -> Iterator[tuple[Ints, Mapping[str, Floats]]]:
    """Times and values, with the column ``IGNORED`` where it is not 0; counts in ``unknown``.

    Of the names those that come first in the alphabet are kept, so that it does not matter which
    was there first: one that is dropped never comes in again.
    """
    known = _KNOWN | battery.signals.keys()
    for each in samples:
        others = sorted(each.values.keys() - known)
        if not others:
            yield each.times, each.values
            continue
        came = ~np.isnan(np.stack([each.values[name] for name in others]))
        for name, count in zip(others, came.sum(axis=1).tolist(), strict=True):
            if count:
                unknown[name] = unknown.get(name, 0) + count
        _keep(unknown, unknown.items())
        yield each.times, {**each.values, IGNORED.name: came.sum(axis=0).astype(np.float64)}


def forget_known(unknown: dict[str, int], battery: Battery) -> None:
    """Keep only what a battery's record does not name."""
    _keep(unknown, (each for each in unknown.items() if each[0] not in battery.signals))


def _keep(unknown: dict[str, int], counted: Iterable[tuple[str, int]]) -> None:
    kept = sorted(counted)[:MOST_UNKNOWN]
    unknown.clear()
    unknown.update(kept)


def portions(samples: Sequence[SystemSamples], rows: int) -> Iterator[list[SystemSamples]]:
    """Samples in order, so many rows at a time at most."""
    portion: list[SystemSamples] = []
    room = rows
    for each in samples:
        for first in _cuts(each.times.size, room, rows):
            part = slice(first, first + room)
            values = {name: column[part] for name, column in each.values.items()}
            portion.append(SystemSamples(each.times[part], values))
            room -= portion[-1].times.size
            if not room:
                yield portion
                portion, room = [], rows
    if portion:
        yield portion


def _cuts(size: int, room: int, rows: int) -> Iterator[int]:
    yield from (0, *range(room, size, rows)) if size else ()
