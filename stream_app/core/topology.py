"""What hangs together in a station: power block (inverter), its DC inputs, their enclosures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Method = Literal["trapezoid", "left"]


@dataclass(frozen=True)
class Rules:
    """How the power of a block becomes energy and findings. Times in milliseconds.

    Attributes
    ----------
    method
        ``trapezoid``: power runs straight between samples; ``left``: a sample holds until the next.
    interval_ms
        Nominal time between samples; with ``left`` the last sample of a stretch holds so long.
    max_gap_ms
        A longer time between two samples is unknown, not energy.
    lateness_ms
        A sample may come so much later than the newest one (event time) and still be folded.
    correction_ms
        A sample that is later than the lateness, but no more than this, is still folded where it
        falls into a hole; the windows that it changes are published again. 0: never.
    skew_ms
        A sample further ahead of its input's clock is set aside until the clock confirms it.
    stale_ms
        Silence of one input, by the clock of its block, that raises STALE_DATA.
    frozen_ms
        Time of one unchanged non-zero value that raises FROZEN_VALUE.
    rating_w
        Largest credible DC power of an input, either sign [W]; None: the rule is not evaluated.
    resolutions
        Window lengths that are published; the day always is.
    """

    method: Method = "trapezoid"
    interval_ms: int = 900_000
    max_gap_ms: int = 2_700_000
    lateness_ms: int = 0
    correction_ms: int = 0
    skew_ms: int = 3_600_000
    stale_ms: int = 2_700_000
    frozen_ms: int = 21_600_000
    rating_w: float | None = None
    resolutions: tuple[str, ...] = ("5min", "15min", "1h", "1d")

    @property
    def held_ms(self) -> int:
        """How long a sample holds that none follows."""
        return self.interval_ms if self.method == "left" else 0


@dataclass(frozen=True)
class PowerBlock:
    """One inverter with its DC inputs and enclosures.

    Attributes
    ----------
    site, block
        Names; together the key ``site/block`` of every record of the block.
    zone
        IANA zone of the site's days.
    inputs
        DC input name -> enclosure id -> share of the input's energy; shares of an input sum to 1.
    """

    site: str
    block: str
    zone: str
    inputs: Mapping[str, Mapping[str, float]]
    rules: Rules = field(default_factory=Rules)

    @property
    def key(self) -> str:
        return f"{self.site}/{self.block}"


def share_groups(shares: Mapping[str, float]) -> list[tuple[float, list[str]]]:
    """Enclosures of an input by equal share: they have equal energy, which is computed once."""
    groups: dict[float, list[str]] = {}
    for enclosure, share in shares.items():
        groups.setdefault(share, []).append(enclosure)
    return list(groups.items())
