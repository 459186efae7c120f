"""The health of a battery system on a local day."""

from collections.abc import Mapping
from dataclasses import dataclass

from stream_app.core.battery import Battery
from stream_app.core.daily import LocalDay
from stream_app.core.health.extremes import LimitChange
from stream_app.core.health.flags import FlagChange
from stream_app.core.health.soc import SocChange
from stream_app.core.health.soh import Band
from stream_app.core.health.windows import SignalWindows
from stream_app.core.messages import Refusal
from stream_app.core.rows import LateRow
from stream_app.core.stale import Silence

Change = SocChange | FlagChange | LimitChange | Silence


@dataclass(frozen=True, kw_only=True)
class HealthDay(LocalDay):
    """Indicators of a battery system at the end of a local day.

    Attributes
    ----------
    cycles
        Full cycles that closed in the day: lowest and highest SOC to the nearest percent, in ppm,
        and their number.
    dwell
        Signal -> time in each bin [ms]; see ``columns.DWELLS`` for the edges.
    band
        Band of the estimated state of health; None where it cannot be told.
    """

    band: Band | None
    cycles: tuple[tuple[int, int, int], ...]
    dwell: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class SystemOutputs:
    """What a fold gave; ``refusals`` are places in its batch."""

    battery: Battery | None
    days: tuple[HealthDay, ...] = ()
    windows: tuple[SignalWindows, ...] = ()
    changes: tuple[Change, ...] = ()
    late: tuple[LateRow, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    rows: int = 0
