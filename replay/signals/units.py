"""Units of numbers in an export, to the units of records, without a rounding too many."""

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from stream_app.core.energy import Floats

_SIZES: dict[str, dict[str, Fraction]] = {
    "v": {"V": Fraction(1), "mV": Fraction(1, 1000), "kV": Fraction(1000)},
    "a": {"A": Fraction(1), "mA": Fraction(1, 1000), "kA": Fraction(1000)},
    "w": {"W": Fraction(1), "kW": Fraction(1000), "MW": Fraction(10**6)},
    "wh": {"Wh": Fraction(1), "kWh": Fraction(1000), "MWh": Fraction(10**6)},
    "c": {"degC": Fraction(1)},
    "ratio": {"1": Fraction(1), "%": Fraction(1, 100)},
}
_UNIT = re.compile(r"(?P<number>\d+(?:\.\d+)?)?\s*(?P<name>[A-Za-z%]*)")


@dataclass(frozen=True)
class Unit:
    """A unit as a file has it, such as 0.1 A: a number of a named unit."""

    number: Fraction = Fraction(1)
    name: str = ""

    def size(self, signal: str) -> Fraction:
        """The record's unit of ``signal`` for one of this unit.

        Raises
        ------
        ValueError
            The signal's name ends in another unit.
        """
        sizes = _SIZES.get(signal.rpartition("_")[2], {})
        if not self.name or (not sizes and signal):
            return self.number
        if self.name not in sizes:
            raise ValueError(f"{signal} is in {' or '.join(sizes)}, not in {self.name!r}")
        return self.number * sizes[self.name]


def read_unit(value: object) -> Unit:
    """Read a unit such as ``kW``, ``%``, ``0.1 A`` or ``0.001``.

    Raises
    ------
    ValueError
        The text is none.
    """
    if isinstance(value, Unit):
        return value
    match = _UNIT.fullmatch(str(value).strip())
    known = {name for sizes in _SIZES.values() for name in sizes} | {""}
    if match is None or match["name"] not in known:
        raise ValueError(f"{value!r} is no unit; write one such as V, mV, %, kW or 0.1 A")
    return Unit(Fraction(match["number"] or 1), match["name"])


def scaled(values: Floats, size: Fraction) -> Floats:
    """Numbers in the record's unit; 3301 mV become 3.301, not 3.3010000000000002 V."""
    if size == 1:
        return values
    result: Floats = np.multiply(values, float(size.numerator)) / float(size.denominator)
    return result
