"""What the indicators of a day are told from."""

from dataclasses import dataclass

from stream_app.core.battery import Battery
from stream_app.core.charge.ledger import rated_charge
from stream_app.core.charge.rules import HealthRules
from stream_app.core.daily import Why
from stream_app.core.health.columns import CHARGE_COLUMNS, Dwell
from stream_app.core.health.state import DayFacts, Past, Peaks


@dataclass(frozen=True)
class Facts:
    """All that the indicators of a day are told from.

    ``past`` counts the day already.
    """

    battery: Battery
    rules: HealthRules
    date: str
    day: DayFacts
    sums: list[int]
    peaks: Peaks
    past: Past

    @property
    def rated(self) -> int:
        """Rated capacity [uC], 0 if not known."""
        return rated_charge(self.battery)

    def came(self, signal: int) -> bool:
        """Whether a signal had a value in the day."""
        return bool(self.day.came >> signal & 1)

    @property
    def charge(self) -> list[int]:
        """Integral of the current."""
        return self.sums[CHARGE_COLUMNS]


def absent(f: Facts, *signals: int) -> Why:
    """Why signals have no value: they did not come, or came with values that they cannot have."""
    return "out_of_range" if f.day.refused.keys() & set(signals) else "missing_signal"


def held(sums: list[int], dwell: Dwell) -> list[int]:
    return sums[dwell.columns][:-1]


def mean(sums: list[int], dwell: Dwell) -> float | None:
    known = sum(held(sums, dwell))
    return sums[dwell.columns][-1] / known if known else None
