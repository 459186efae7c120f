"""Records that the stream gives out of batteries and meters; see ``schemas.results``.

Columns of windows have one entry for each window; those of cells a row of one value for each cell,
null where a cell has no value. + is discharge.
"""

from typing import Literal

import msgspec

from schemas.results import Priority, Version

Column = list[float | None]
Rows = list[list[float | None]]
Resolution = Literal["5min", "15min", "1h", "1d"]
BatteryRule = Literal[
    "OVER_VOLT_ALARM",
    "OVER_VOLT_WARNING",
    "UNDER_VOLT_ALARM",
    "UNDER_VOLT_WARNING",
    "OVER_TEMP_ALARM",
    "OVER_TEMP_WARNING",
    "UNDER_TEMP_ALARM",
    "UNDER_TEMP_WARNING",
    "THERMAL_RUNAWAY",
    "CELL_VOLTAGE_DEVIATION",
    "WEAK_CELL",
    "CELL_VOLTAGE_DRIFT",
    "CELL_VOLTAGE_STUCK",
    "CELL_TEMPERATURE_STUCK",
    "HOT_CELL",
    "VOLTAGE_IMBALANCE_WARNING",
    "LEARNED_ANOMALY",
    "SOC_JUMP",
    "SOC_FROZEN",
    "SOC_DRIFT",
    "FLAG",
    "STALE_DATA",
]


class CellWindowsRecord(msgspec.Struct, omit_defaults=True):
    """A run of windows of one pack's cells.

    A window is ``id`` and ``start[i]``; its highest ``revision[i]`` holds, of equal ones the later
    record. Charge, health and imbalance are told of days, each as a value or with its reason in
    ``missing``.
    """

    v: Version
    id: str
    site: str
    system: str
    zone: str
    pack: str
    resolution: Resolution
    final: bool
    start: list[int]
    end: list[int]
    revision: list[int]
    rows: list[int]
    gaps: list[int]
    voltage_samples: list[list[int]]
    temperature_samples: list[list[int]]
    voltage_min_v: Rows
    voltage_mean_v: Rows
    voltage_max_v: Rows
    voltage_deviation_v: Rows
    temperature_mean_c: Rows
    temperature_max_c: Rows
    temperature_deviation_c: Rows
    temperature_rise_c_per_s: Rows
    voltage_spread_v: Column
    temperature_spread_c: Column
    p1_mv: list[int | None]
    p99_mv: list[int | None]
    worst_cell: list[int | None] | None = None
    voltage_z: Rows | None = None
    temperature_influence: Rows | None = None
    soc_ledger_ratio: Column | None = None
    soc_ledger_error_ratio: Column | None = None
    soh_ledger_ratio: Column | None = None
    soh_ledger_error_ratio: Column | None = None
    imbalance_v: Column | None = None
    imbalance_left_out: Column | None = None
    missing: list[dict[str, str]] | None = None
    regime: list[str] | None = None
    evaluability: list[dict[str, dict[str, int]]] | None = None


class SignalWindowsRecord(msgspec.Struct, omit_defaults=True):
    """A run of windows of a battery system's signals.

    Columns have an entry for each window, and in it one for each of ``signals``; a signal that
    came in none of the windows is left out. What one window is, and which revision holds: as of
    ``CellWindowsRecord``. ``evaluability`` stands in days of systems without packs alone.
    """

    v: Version
    id: str
    site: str
    system: str
    zone: str
    resolution: Resolution
    final: bool
    start: list[int]
    end: list[int]
    revision: list[int]
    rows: list[int]
    signals: list[str]
    samples: list[list[int]]
    refused: list[list[int]]
    lowest: Rows
    highest: Rows
    evaluability: list[dict[str, str]] | None = None


class CriticalCellRecord(msgspec.Struct):
    """A cell that is or was critical for one reason; ``until`` null: it still is."""

    rank: int
    cell: int
    rule: BatteryRule
    since: str
    until: str | None
    days: int
    worst: float
    limit: float
    unit: str


class CriticalCellsRecord(msgspec.Struct):
    """Critical cells of one pack at the end of a local day, the worst first."""

    v: Version
    id: str
    site: str
    system: str
    pack: str
    date: str
    start: str
    end: str
    cells: list[CriticalCellRecord]


class HealthDayRecord(msgspec.Struct):
    """Health of a battery system at the end of a local day; the newest revision of a key holds.

    Every indicator is in ``values``, or in ``missing`` with the reason why it cannot be told.
    ``cycles``: lowest and highest SOC, and number.
    """

    v: Version
    id: str
    site: str
    system: str
    date: str
    start: str
    end: str
    rows: int
    values: dict[str, float]
    missing: dict[str, str]
    band: str | None
    cycles: list[tuple[int, int, int]]
    dwell: dict[str, list[int]]
    revision: int
    final: bool


class MeterDayRecord(msgspec.Struct):
    """Energy of a meter on a local day; the newest revision of a key holds."""

    v: Version
    id: str
    site: str
    meter: str
    date: str
    start: str
    end: str
    rows: int
    values: dict[str, float]
    missing: dict[str, str]
    verdicts: dict[str, str]
    revision: int
    final: bool


class BatteryAlarmRecord(msgspec.Struct):
    """A raise or a clear of a battery system, in event time; headers as of ``AlarmRecord``.

    A clear says what lay furthest beyond its limit since the condition began: ``worst``.
    """

    v: Version
    id: str
    rule: BatteryRule
    state: Literal["raised", "cleared"]
    priority: Priority
    site: str
    system: str
    zone: str
    pack: str | None
    cell: int | None
    time: str
    since: str
    value: float
    limit: float
    unit: str
    model: str | None
    message: str
    signal: str | None = None
    judged: bool = True
    worst: float | None = None
    worst_limit: float | None = None


class BatteryFindingRecord(msgspec.Struct):
    """A condition of a battery system that has ended, with its span."""

    v: Version
    id: str
    rule: BatteryRule
    site: str
    system: str
    zone: str
    pack: str | None
    cell: int | None
    since: str
    until: str
    seconds: float
    value: float
    limit: float
    unit: str
    model: str | None
    message: str
    signal: str | None = None
    judged: bool = True
    worst: float | None = None
    worst_limit: float | None = None


class LateRowsRecord(msgspec.Struct):
    """Rows of a pack, a battery system or a meter that were not folded, and why.

    Of the three names, those that do not apply are null.
    """

    v: Version
    site: str
    system: str | None
    pack: str | None
    meter: str | None
    t: list[int]
    reason: Literal["late", "ahead"]
