"""What is remembered of a battery system's health, in two values.

``Present`` changes with every row; ``Past`` only when a quarter of an hour is complete. Plain
values throughout, so that snapshot and restore are one call each.
"""

from dataclasses import dataclass, field

from stream_app.core.battery import Battery
from stream_app.core.cells.limits import ThresholdRule
from stream_app.core.charge.ledger import Capacity, Ledger
from stream_app.core.health.columns import REST_SPREAD
from stream_app.core.health.cycles import NOTHING, CycleState, Totals
from stream_app.core.health.flags import Flag
from stream_app.core.health.plausible import Seen
from stream_app.core.health.result import HealthDay
from stream_app.core.health.soc import SocState, Wrong
from stream_app.core.health.windows import LongerSignals, OpenSignals
from stream_app.core.rows import RowClock
from stream_app.core.slots import Slots
from stream_app.core.stale import Stale
from stream_app.core.watch import Watch

Sample = tuple[int, int]


@dataclass
class DayFacts:
    """What the rows of a local day said, up to the newest of them. SOC and SOH in ppm.

    Attributes
    ----------
    start, end
        Of the day [ms UTC].
    last
        Newest row [ms UTC].
    rows
        Number of rows.
    soc
        When first and last, first, last; empty if there was none.
    soh
        Newest of the BMS.
    came
        Signals that came, and the spread at rest: bits by place.
    refused
        Number of refused values of each signal that had any.
    doubted
        Number of values of the SOC that were not believed.
    ignored
        Number of values of signals that nothing is known of.
    cycles
        Number of cycles that closed, by lowest and highest SOC: see ``place_of``.
    before, totals
        What counting cycles had come to before the day, and by now.
    audit
        At the newest row with SOC and current: its time, SOC, SOC by ledger, bound, time of the
        anchor; empty where there was no anchor or the charge since it is not known.
    rested
        Whether it rested long enough, at whatever charge.
    anchored
        Whether there is an anchor.
    capacity
        Newest measured one.
    wrong
        What its SOC was at any time of it; a jump before a drift.
    """

    start: int
    end: int
    last: int = 0
    rows: int = 0
    soc: list[int] = field(default_factory=list)
    soh: int | None = None
    came: int = 0
    refused: dict[int, int] = field(default_factory=dict)
    doubted: int = 0
    ignored: int = 0
    cycles: dict[int, int] = field(default_factory=dict)
    before: Totals = NOTHING
    totals: Totals = NOTHING
    audit: list[int] = field(default_factory=list)
    rested: bool = False
    anchored: bool = False
    capacity: Capacity | None = None
    wrong: Wrong | None = None


STEP = 10_000
"""Cycles of a day are told apart by so much of their ends [ppm]: noise cannot fill the state."""


def place_of(low: int, high: int) -> int:
    """Where cycles between two SOC [ppm] are counted: both to the nearest ``STEP``."""
    return (low + STEP // 2) // STEP * 1000 + (high + STEP // 2) // STEP


def ends_of(place: int) -> tuple[int, int]:
    """Lowest and highest SOC [ppm] of the cycles that are counted at a place."""
    low, high = divmod(place, 1000)
    return low * STEP, high * STEP


@dataclass
class Present:
    """What every row may change.

    Attributes
    ----------
    clock
        Event clock of the rows.
    samples
        Newest value of each signal, and of the spread at rest: (time, value).
    seen
        Which SOC can be true.
    ledger, soc, cycles
        Charge, its audit, rainflow.
    slots
        Quarters of an hour that are not complete.
    days
        Local days that are not complete, by time.
    flags
        Flags that are set.
    slot
        The open five-minute window of the signals.
    stale
        Whether rows are missing.
    limits
        Limits of cells by the extremes of a system without packs: what stands or is about to.
    unknown
        Signals that nothing is known of, and how many values came of each: see ``unknown``.
    """

    clock: RowClock = field(default_factory=RowClock)
    samples: list[Sample | None] = field(default_factory=lambda: [None] * (REST_SPREAD + 1))
    seen: Seen = field(default_factory=Seen)
    ledger: Ledger = field(default_factory=Ledger)
    soc: SocState = field(default_factory=SocState)
    cycles: CycleState = field(default_factory=CycleState)
    slots: Slots = field(default_factory=Slots)
    days: list[DayFacts] = field(default_factory=list)
    flags: dict[str, Flag] = field(default_factory=dict)
    slot: OpenSignals | None = None
    stale: Stale = field(default_factory=Stale)
    limits: dict[ThresholdRule, Watch] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)


@dataclass
class Peaks:
    """Largest of a day: net charge out and in within a slot, charge both ways within 24 h [uC].

    ``powers``: mean DC and AC power either way of the known time of a slot [W].
    """

    out: int = 0
    into: int = 0
    day: int = 0
    powers: list[int] = field(default_factory=lambda: [0, 0])


@dataclass
class DaySums:
    """Complete slots of a day that is not complete."""

    sums: list[int]
    peaks: Peaks = field(default_factory=Peaks)


@dataclass
class DayHistory:
    """A complete day: integrals of DC and AC power [W ms].

    ``soc``: when it was first and last known, first and last [ppm]; empty if it was not.
    ``unseen``: DC and AC energy that its unknown time holds at the largest power of the day.
    ``wrong``: as in ``DayFacts``.
    """

    start: int
    end: int
    dc: list[int]
    ac: list[int]
    soc: list[int]
    unseen: list[int]
    wrong: Wrong | None = None


@dataclass
class Past:
    """What only a complete slot or a message changes.

    Attributes
    ----------
    battery
        The system, None before its record has come.
    days
        Sums by start of the local day [ms UTC].
    recent
        Charge both ways of the slots of the last 24 h: (start, uC).
    history
        Complete days of the last month, the newest last.
    soh
        SOH of the BMS [ppm] by start of the day, of the last year.
    capacities
        Measured capacities [uC] by time, of the last year.
    lifetime
        Column sums of all complete days.
    published
        Results of days that are not complete, as an end of data gave them, by start.
    newest
        The day that was told of last.
    began
        First row of all [ms UTC].
    signals
        Longer windows of the signals.
    """

    battery: Battery | None = None
    days: dict[int, DaySums] = field(default_factory=dict)
    recent: list[tuple[int, int]] = field(default_factory=list)
    history: list[DayHistory] = field(default_factory=list)
    soh: list[Sample] = field(default_factory=list)
    capacities: list[Sample] = field(default_factory=list)
    lifetime: list[int] = field(default_factory=list)
    published: dict[int, HealthDay] = field(default_factory=dict)
    newest: HealthDay | None = None
    began: int | None = None
    signals: LongerSignals = field(default_factory=LongerSignals)


@dataclass
class SystemState:
    """All that is remembered of a battery system's health."""

    present: Present = field(default_factory=Present)
    past: Past = field(default_factory=Past)
