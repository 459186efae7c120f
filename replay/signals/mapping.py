"""Which column of an export is which signal of which battery or meter."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from replay.errors import TopologyError
from replay.signals.rules import Rule, SignalKind
from stream_app.codec.limits import (
    LARGEST_CELL_C,
    LARGEST_CELL_V,
    LARGEST_RATIO,
    LARGEST_SIGNAL,
    LARGEST_STRING_A,
)
from stream_app.core.battery import WindowRule
from stream_app.core.health.columns import SIGNALS
from stream_app.core.health.signals import nearest
from stream_app.core.order import natural_key

_LARGEST = {
    ("cells", "voltage_v"): LARGEST_CELL_V,
    ("cells", "temperature_c"): LARGEST_CELL_C,
    ("system", "current_a"): LARGEST_STRING_A,
    ("system", "soc_ratio"): LARGEST_RATIO,
}
MEANINGS = frozenset(signal.name for signal in SIGNALS)
"""Signals of a system that the program knows."""
_BLANK = re.compile(r"\s+")


@dataclass(frozen=True)
class Target:
    """What a column measures.

    Attributes
    ----------
    of, name
        Kind and name of what it belongs to; cells belong to a system, too.
    pack, cell
        Of cells: pack, and number along the line from 1.
    signal
        Name in the record.
    size
        Record's unit for one of the column's, negative where the sign changes.
    keep
        How windows keep a signal without a meaning of its own.
    """

    of: SignalKind
    name: str
    signal: str
    size: Fraction
    keep: WindowRule = "extremes"
    pack: str = ""
    cell: int = 0

    @property
    def subject(self) -> str:
        """Key without the site: ``battery/name`` or ``meter/name``."""
        return f"{'meter' if self.of == 'meter' else 'battery'}/{self.name}"

    @property
    def largest(self) -> float:
        """Largest size that a record may hold; a sensor that shows more is broken."""
        return _LARGEST.get((self.of, self.signal), LARGEST_SIGNAL)

    @property
    def place(self) -> tuple[str, str, str, str, int]:
        """What no other column may measure, too."""
        return self.of, self.name, self.pack, self.signal, self.cell


@dataclass
class Mapped:
    """Columns by address: with a target, unknown, and those of which the rules say ``nothing``.

    ``meaningless`` are signals of systems that the program knows nothing of, and that the rules do
    not say how to keep: by name, the first column of each.
    """

    targets: dict[str, Target] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    meaningless: dict[str, str] = field(default_factory=dict)


def mapped(addresses: Iterable[str], rules: Sequence[Rule]) -> Mapped:
    """Find the target of every address ``folder/column``.

    Raises
    ------
    TopologyError
        No address is a signal, two measure the same, or a cell has no number from 1.
    """
    found = Mapped()
    for address in addresses:
        rule, match = _first(address, rules)
        if rule is None or match is None:
            found.unknown.append(address)
        elif rule.of == "nothing":
            found.left_out.append(address)
        else:
            target = found.targets[address] = _target(address, rule, match)
            if rule.is_plain and target.signal not in MEANINGS:
                found.meaningless.setdefault(target.signal, address)
    if not found.targets:
        shown = ", ".join(repr(address) for address in found.unknown[:5])
        raise TopologyError(
            f"no rule of signals.rules finds a signal among the columns; the export has {shown}"
        )
    _refuse_doubles(found.targets)
    return found


def with_nearest(unknown: Iterable[str], known: Iterable[str]) -> list[str]:
    """Name unknown columns, each with the known one that is most like it, if one is."""
    leaves = in_order(_leaf(address) for address in known)
    near: dict[str, list[str]] = {}
    found = []
    for address in unknown:
        leaf = _leaf(address)
        if leaf not in near:
            near[leaf] = difflib.get_close_matches(leaf, leaves, n=1)
        found.append(f"{address} (nearest known: {near[leaf][0]})" if near[leaf] else address)
    return found


def without_meaning(found: Mapped) -> Iterator[str]:
    """Say of signals that are kept though nothing is known of them, and which is meant perhaps."""
    for name, address in found.meaningless.items():
        near = nearest(name, MEANINGS)
        meant = f" (nearest known: {near})" if near else ""
        yield (
            f"{address}: {name!r} is no signal that health is told from{meant}; windows keep its "
            "extremes. If that is meant, say keep: extremes in signals.rules"
        )


def _first(address: str, rules: Sequence[Rule]) -> tuple[Rule | None, re.Match[str] | None]:
    for rule in rules:
        match = rule.match.search(address)
        if match:
            return rule, match
    return None, None


def _target(address: str, rule: Rule, match: re.Match[str]) -> Target:
    groups = {name: _BLANK.sub("_", text or "") for name, text in match.groupdict().items()}
    given = {"system": rule.system or "", "pack": rule.pack or "", "meter": rule.meter or ""}
    names = given | groups
    try:
        signal = rule.signal.format(**groups)
        size = rule.unit.size(signal) * rule.sign
    except (KeyError, IndexError, ValueError) as fault:
        raise TopologyError(f"signals.rules {rule.match.pattern!r}: {address}: {fault}") from fault
    if rule.of != "cells":
        name = names["meter" if rule.of == "meter" else "system"]
        return Target(rule.of, name, signal, size, rule.keep)
    cell = names["cell"]
    if not cell.isdecimal() or int(cell) < 1:
        raise TopologyError(f"{address}: cells are numbered from 1, and {cell!r} is no such number")
    return Target("cells", names["system"], signal, size, rule.keep, names["pack"], int(cell))


def _refuse_doubles(targets: Mapping[str, Target]) -> None:
    seen: dict[tuple[object, ...], str] = {}
    for address, target in targets.items():
        other = seen.setdefault(target.place, address)
        if other != address:
            what = f"{target.signal} of {target.name}"
            cell = f" pack {target.pack} cell {target.cell}" if target.cell else ""
            raise TopologyError(
                f"{other} and {address} both measure {what}{cell}; "
                "narrow the match of signals.rules"
            )


def _leaf(address: str) -> str:
    return address.rpartition("/")[2]


def in_order(names: Iterable[str]) -> list[str]:
    """Each name once, as people count."""
    return sorted(set(names), key=natural_key)
