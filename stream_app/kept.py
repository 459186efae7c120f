"""States that are kept as they were folded, so that the next chunk need not read them again.

A kept state may be used only while each of its parts in the table is the very object that it was
saved as: whatever else happened meanwhile (a chunk that was not committed, another owner, a state
that was brought back), what the table holds decides, and then it holds other objects.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_BYTES = 256 << 20
"""Bytes of the parts of all kept states; a state takes about as much again."""


@dataclass
class Kept:
    """A state, and its parts as the table holds them by key; no parts before it is saved."""

    state: Any
    parts: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of the parts."""
        return sum(map(len, self.parts.values()))

    def stands_in(self, table: Mapping[bytes, bytes]) -> bool:
        """Whether the table holds what the state was saved as."""
        return all(table.get(place) is value for place, value in self.parts.items())


class KeptStates:
    """Kept states by telemetry key; those longest unused go first where they would be too many.

    Parameters
    ----------
    most_bytes
        Of the parts of all together.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._bytes = most_bytes, 0
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def take(self, key: str, table: Mapping[bytes, bytes]) -> Kept | None:
        """The kept state of a key, if it is what the table holds; it is kept no more.

        So a state that is being changed, or that a fold left half changed, cannot be had twice.
        """
        found = self._kept.pop(key, None)
        if found is None:
            return None
        self._bytes -= found.size
        return found if found.stands_in(table) else None

    def keep(self, key: str, kept: Kept) -> None:
        """Keep a state that was just saved; nobody may change it from here on."""
        self.forget([key])
        self._kept[key] = kept
        self._bytes += kept.size
        while self._bytes > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.size

    def forget(self, keys: Iterable[str]) -> None:
        """Keep the states of ``keys`` no more: another worker has them now."""
        for key in keys:
            found = self._kept.pop(key, None)
            self._bytes -= 0 if found is None else found.size
