"""Rows of many files as one block a pack, a system and a meter."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from replay.signals.admission import Slotted
from replay.signals.mapping import Target
from stream_app.core.battery import Battery, CellSamples, MeterPoint, MeterSamples, SystemSamples
from stream_app.core.energy import Floats, Ints

Part = tuple[Target, Ints, Floats]
"""A signal, the slots (n,) [ms UTC] at which it has a value, and the values (n,)."""
Keyed = tuple[str, CellSamples | SystemSamples | MeterSamples]


@dataclass
class Layout:
    """Which signals each record of the export has, whether they have values or not.

    Attributes
    ----------
    batteries, meters
        In the order in which their records are published.
    packs
        (system, pack) -> its signals, of ``voltage_v`` and ``temperature_c``.
    values
        Subject -> names of its signals, sorted.
    """

    batteries: Sequence[Battery]
    meters: Sequence[MeterPoint]
    packs: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        targets: Sequence[Target],
        batteries: Sequence[Battery],
        meters: Sequence[MeterPoint],
    ) -> "Layout":
        """Layout of an export with these targets."""
        packs: dict[tuple[str, str], frozenset[str]] = {}
        values: dict[str, set[str]] = {}
        for each in targets:
            if each.of == "cells":
                place = each.name, each.pack
                packs[place] = packs.get(place, frozenset()) | {each.signal}
            else:
                values.setdefault(each.subject, set()).add(each.signal)
        names = {subject: sorted(found) for subject, found in values.items()}
        return cls(batteries, meters, packs, names)

    @property
    def values_a_row(self) -> int:
        """Values in a row of the largest record."""
        packs = [
            battery.packs[pack] * len(self.packs[battery.system, pack])
            for battery in self.batteries
            for pack in battery.packs
        ]
        return max([1, *packs, *(len(names) for names in self.values.values())])


def blocks(layout: Layout, parts: Sequence[tuple[Sequence[Target], Slotted]]) -> Iterator[Keyed]:
    """Key and samples of everything that has a value: each system before its packs, then meters."""
    of_subject = _by_record(parts)
    for battery in layout.batteries:
        subject = f"battery/{battery.system}"
        own = of_subject.get((subject, ""), [])
        for times, values in _columns(own, layout.values.get(subject, ())):
            yield battery.key, SystemSamples(times, values)
        for pack, cells in battery.packs.items():
            signals = layout.packs[battery.system, pack]
            for samples in _cells(pack, cells, signals, of_subject.get((subject, pack), [])):
                yield battery.key, samples
    for meter in layout.meters:
        subject = f"meter/{meter.meter}"
        own = of_subject.get((subject, ""), [])
        for times, values in _columns(own, layout.values.get(subject, ())):
            yield meter.key, MeterSamples(times, values)


def _by_record(
    parts: Sequence[tuple[Sequence[Target], Slotted]],
) -> dict[tuple[str, str], list[Part]]:
    """(subject, pack) -> its signals."""
    found: dict[tuple[str, str], list[Part]] = {}
    for targets, rows in parts:
        for target, values in zip(targets, rows.values, strict=True):
            heard = ~np.isnan(values)
            if heard.any():
                place = target.subject, target.pack
                found.setdefault(place, []).append((target, rows.slots[heard], values[heard]))
    return found


def _columns(
    parts: Sequence[Part], names: Sequence[str]
) -> Iterator[tuple[Ints, dict[str, Floats]]]:
    """Times and values of all signals; nothing where no time has a value."""
    times = _times(parts)
    if times.size:
        values = {name: np.full(times.size, np.nan) for name in names}
        for target, slots, column in parts:
            values[target.signal][np.searchsorted(times, slots)] = column
        yield times, values


def _cells(
    pack: str, cells: int, signals: frozenset[str], parts: Sequence[Part]
) -> Iterator[CellSamples]:
    times = _times(parts)
    if times.size:
        matrix = {name: np.full((times.size, cells), np.nan) for name in sorted(signals)}
        for target, slots, column in parts:
            matrix[target.signal][np.searchsorted(times, slots), target.cell - 1] = column
        yield CellSamples(pack, times, matrix.get("voltage_v"), matrix.get("temperature_c"))


def _times(parts: Sequence[Part]) -> Ints:
    """All slots at which at least one signal has a value."""
    heard = [slots for _, slots, _ in parts]
    if not heard:
        return np.zeros(0, dtype=np.int64)
    if all(np.array_equal(heard[0], each) for each in heard[1:]):
        return heard[0]
    return np.unique(np.concatenate(heard))
