"""Records that the stream gives out. JSON; times are ms UTC unless they are ISO 8601 text.

Energy is exact in W ms (1 W ms = 1 mJ, 3.6e9 W ms = 1 kWh); kWh beside it is for people.
"""

from typing import Literal

import msgspec

Version = Literal[1]
RuleName = Literal["STALE_DATA", "GAP", "POWER_OUTSIDE_RATING", "CLOCK_SKEW", "FROZEN_VALUE"]
RevisionReason = Literal["end_of_data", "late_data", "correction"]
LateReason = Literal["no_gap", "beyond_horizon", "ahead"]
Priority = Literal["critical", "high", "medium", "low"]


class QualityColumns(msgspec.Struct, omit_defaults=True):
    """Counts by window; a list is left out where all its counts are zero."""

    gaps: list[int] | None = None
    outside_rating: list[int] | None = None
    frozen: list[int] | None = None
    conflicts: list[int] | None = None


class RollupRecord(msgspec.Struct, omit_defaults=True):
    """A run of windows of enclosures that share one DC input in equal parts.

    Each enclosure in ``enclosures`` has the energy in the lists; window ``i`` spans
    ``[start[i], end[i])``. A window of an enclosure is ``id``, the enclosure and ``start[i]``; its
    highest ``revision[i]`` holds, of equal ones the later record.
    """

    v: Version
    id: str
    site: str
    block: str
    input: str
    enclosures: list[str]
    resolution: str
    final: bool
    start: list[int]
    end: list[int]
    charged_w_ms: list[int]
    discharged_w_ms: list[int]
    net_w_ms: list[int]
    error_bound_w_ms: list[int]
    coverage: list[float]
    samples: list[int]
    revision: list[int]
    quality: QualityColumns
    reason: RevisionReason | None = None
    delta_charged_w_ms: list[int] | None = None
    delta_discharged_w_ms: list[int] | None = None


class Quality(msgspec.Struct):
    """Counts in one window."""

    gaps: int
    outside_rating: int
    frozen: int
    conflicts: int


class DailyRecord(msgspec.Struct, omit_defaults=True):
    """Energy of one enclosure on one local day; the newest revision of a key holds.

    ``final`` is false where the end of the data published a day that its clock had not yet passed.
    """

    v: Version
    id: str
    site: str
    block: str
    input: str
    enclosure: str
    date: str
    start: str
    end: str
    charged_kwh: float
    discharged_kwh: float
    net_kwh: float
    error_bound_kwh: float
    charged_w_ms: int
    discharged_w_ms: int
    net_w_ms: int
    error_bound_w_ms: int
    known_s: float
    coverage: float
    samples: int
    quality: Quality
    revision: int
    final: bool
    reason: RevisionReason | None = None
    delta_charged_w_ms: int | None = None
    delta_discharged_w_ms: int | None = None


class AlarmRecord(msgspec.Struct):
    """A raise or a clear, in event time. CloudEvents attributes travel as Kafka headers."""

    v: Version
    id: str
    rule: RuleName
    state: Literal["raised", "cleared"]
    priority: Priority
    site: str
    block: str
    input: str
    enclosures: list[str]
    time: str
    since: str
    value: float
    limit: float
    unit: str
    message: str


class FindingRecord(msgspec.Struct):
    """A condition that has ended, with its span."""

    v: Version
    id: str
    rule: RuleName
    site: str
    block: str
    input: str
    enclosures: list[str]
    since: str
    until: str
    seconds: float
    value: float
    limit: float
    unit: str
    message: str


class TooLateRecord(msgspec.Struct, omit_defaults=True):
    """Samples that came after their time was settled, as they came; ``reason``: why not folded."""

    v: Version
    site: str
    block: str
    input: str
    t: list[int]
    dc_power_w: list[float]
    reason: LateReason | None = None


class ProgressRecord(msgspec.Struct):
    """How far a replay has come: all of the export's rows before ``row`` are published."""

    v: Version
    replay: str
    file: str
    row: int
    rows_published: int
    event_time: str | None
    complete: bool
