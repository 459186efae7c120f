"""Rows of many files as one block a pack, a system and a meter."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from replay.signals.admission import Slotted
from replay.signals.mapping import Target
from replay.signals.strings import PACK_SIGNALS, pack_signals
from stream_app.core.battery import Battery, CellSamples, MeterPoint, MeterSamples, SystemSamples
from stream_app.core.cells.held import Hold, without_stuck
from stream_app.core.energy import Floats, Ints

Part = tuple[Target, Ints, Floats]
"""A signal, the slots (n,) [ms UTC] at which it has a value, and the values (n,)."""
_OF_STRING = ("current_a", "soc_ratio")
"""Signals of the system that go with the cells: those are judged by what the string does."""
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
        layout = cls(batteries, meters, packs)
        for battery in batteries:
            own = values.get(f"battery/{battery.system}")
            if own and layout.with_voltages(battery):
                own.update(PACK_SIGNALS)
        layout.values = {subject: sorted(found) for subject, found in values.items()}
        return layout

    def with_voltages(self, battery: Battery) -> list[str]:
        """Packs of a battery that have voltages."""
        return [pack for pack in battery.packs if "voltage_v" in self.packs[battery.system, pack]]

    @property
    def values_a_row(self) -> int:
        """Values in a row of the largest record."""
        packs = [
            battery.packs[pack] * len(self.packs[battery.system, pack])
            for battery in self.batteries
            for pack in battery.packs
        ]
        return max([1, *packs, *(len(names) for names in self.values.values())])


def blocks(
    layout: Layout,
    parts: Sequence[tuple[Sequence[Target], Slotted]],
    held: dict[tuple[str, str], Hold],
) -> Iterator[Keyed]:
    """Key and samples of everything that has a value: each system before its packs, then meters.

    ``held`` is what cells of (system, pack) have kept up to these rows, and then up to their end.
    """
    of_subject = _by_record(parts)
    for battery in layout.batteries:
        subject = f"battery/{battery.system}"
        own = of_subject.get((subject, ""), [])
        carried = [name for name in _OF_STRING if name in layout.values.get(subject, ())]
        cells = {
            pack: _matrices(parts_of_pack, layout.packs[battery.system, pack], size)
            for pack, size in battery.packs.items()
            if (parts_of_pack := of_subject.get((subject, pack), []))
        }
        measured = layout.with_voltages(battery)
        volts = []
        for pack in measured:
            if pack in cells:
                times, matrices = cells[pack]
                hold = held.setdefault((battery.system, pack), Hold())
                volts.append((times, without_stuck(hold, times, matrices["voltage_v"])))
        if own:
            times = _times(own)
            values = _columns(own, layout.values[subject], times)
            if measured and len(volts) == len(measured):
                values |= pack_signals(times, volts)
            yield battery.key, SystemSamples(times, values)
        for pack, (times, matrix) in cells.items():
            load = _columns(own, carried, times)
            yield battery.key, CellSamples(pack, times, **matrix, **load)
    for meter in layout.meters:
        subject = f"meter/{meter.meter}"
        own = of_subject.get((subject, ""), [])
        if own:
            times = _times(own)
            yield meter.key, MeterSamples(times, _columns(own, layout.values[subject], times))


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


def _columns(parts: Sequence[Part], names: Sequence[str], times: Ints) -> dict[str, Floats]:
    """Values (n,) of the named signals at these times, NaN where there is none."""
    values = {name: np.full(times.size, np.nan) for name in names}
    for target, slots, column in parts:
        if target.signal in values:
            place = np.minimum(np.searchsorted(times, slots), times.size - 1)
            there = times[place] == slots
            values[target.signal][place[there]] = column[there]
    return values


def _matrices(
    parts: Sequence[Part], signals: frozenset[str], cells: int
) -> tuple[Ints, dict[str, Floats]]:
    """Times and values (n, cells) of the signals of a pack."""
    times = _times(parts)
    values = {name: np.full((times.size, cells), np.nan) for name in sorted(signals)}
    for target, slots, column in parts:
        values[target.signal][np.searchsorted(times, slots), target.cell - 1] = column
    return times, values


def _times(parts: Sequence[Part]) -> Ints:
    """All slots at which at least one signal has a value."""
    heard = [slots for _, slots, _ in parts]
    if all(np.array_equal(heard[0], each) for each in heard[1:]):
        return heard[0]
    return np.unique(np.concatenate(heard))
