"""Records of batteries and meters in the telemetry topic; times are ms UTC, + is discharge.

Keys: ``site/battery/name`` for everything of one battery system, ``site/meter/name`` for a meter.
"""

from typing import Literal

import msgspec

Version = Literal[1]
Rows = list[list[float | None]]
Column = list[float | None]


class PackRecord(msgspec.Struct, forbid_unknown_fields=True):
    """A pack: cells in series, numbered from 1 along the line, each with a temperature sensor."""

    cells: int


class BatteryRulesRecord(msgspec.Struct, forbid_unknown_fields=True):
    """How a battery's telemetry is judged; times in seconds, current in A.

    ``cells_gap_s`` and ``signal_gaps_s`` say which time is too long between rows of a pack and
    between values of signals of the system, where it is not ``max_gap_s``. A silence of more than
    ``stale_s`` (null: 2700), and of that, raises STALE_DATA.
    """

    interval_s: float
    max_gap_s: float
    skew_s: float
    rest_a: float
    rest_s: float
    cells_gap_s: float | None = None
    signal_gaps_s: dict[str, float] = {}
    stale_s: float | None = None


class BatteryRecord(msgspec.Struct, tag_field="kind", tag="battery", forbid_unknown_fields=True):
    """A battery system: its packs, ratings and rules. Comes before the samples that it explains.

    ``signals`` says of each further signal how it is kept: ``flag`` for flags and error codes,
    which raise FLAG while they are not 0, ``max`` or ``extremes`` for the rest. ``commissioned`` is
    a local date; ``efc_before`` counts equivalent full cycles before the first row. What
    ``own_limits`` and ``own_rules`` name replaces single numbers of the preset of limits, and of
    the rules of health.
    """

    v: Version
    site: str
    system: str
    zone: str
    packs: dict[str, PackRecord]
    rules: BatteryRulesRecord
    chemistry: Literal["lfp", "nmc", "other"] = "lfp"
    limits: str = "lfp"
    capacity_ah: float | None = None
    energy_wh: float | None = None
    commissioned: str | None = None
    efc_before: float | None = None
    signals: dict[str, Literal["max", "extremes", "flag"]] = {}
    own_limits: dict[str, float] = {}
    own_rules: dict[str, float] = {}


class CellsRecord(
    msgspec.Struct,
    tag_field="kind",
    tag="cells",
    forbid_unknown_fields=True,
    gc=False,
    omit_defaults=True,
):
    """Cells of one pack: row ``i`` holds one value for each cell at ``t[i]``; null = no value.

    ``current_a`` (+ = discharge) and ``soc_ratio`` are those of the string at ``t[i]``, where the
    sender knows them: cells are judged by whether they rest or carry load.
    """

    v: Version
    pack: str
    t: list[int]
    voltage_v: Rows | None = None
    temperature_c: Rows | None = None
    current_a: Column | None = None
    soc_ratio: Column | None = None


class SystemRecord(
    msgspec.Struct, tag_field="kind", tag="system", forbid_unknown_fields=True, gc=False
):
    """Signals of a battery system: ``values[name][i]`` belongs to ``t[i]``; null = no value.

    Names with a meaning: ``soc_ratio``, ``soh_ratio`` (as the BMS says), ``voltage_v``,
    ``current_a``, ``dc_power_w``, ``ac_power_w``, those of cells that the glossary calls signals,
    such as ``pack_median_max_v``; others as ``BatteryRecord.signals`` says.
    """

    v: Version
    t: list[int]
    values: dict[str, Column]


class AnomalyModelRecord(
    msgspec.Struct,
    tag_field="kind",
    tag="anomaly_model",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """An isolation forest that was learned from a battery system; judges windows from here on.

    Numbers in base64 are little-endian. ``usual`` has for each pack what is usual of its cells:
    float64, a cell after another, a number for each feature; ``scores`` what ``threshold`` and
    ``back`` are for each of them, two float64: those of the model hold for packs without. Trees
    stand one after another, each node before its children, the left child next to it: ``sizes``
    are their nodes; ``feature`` int8, -1 for a leaf; ``value`` float64, the threshold (float32
    values at most that large go left) or the path length of a leaf; ``right`` int32, the place of
    the right child in its tree.
    """

    v: Version
    version: str
    site: str
    system: str
    features: list[str]
    contamination: float
    threshold: float
    back: float
    since: str
    until: str
    windows: int
    learned_with: str
    samples: int
    usual: dict[str, bytes]
    sizes: list[int]
    feature: bytes
    value: bytes
    right: bytes
    scores: dict[str, bytes] = {}


class MeterPointRecord(
    msgspec.Struct,
    tag_field="kind",
    tag="meter_point",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """A meter and its rules. Comes before its samples.

    ``signal_gaps_s`` says which time is too long between values of signals where it is not
    ``max_gap_s``; ``rating_w`` what the meter carries at most.
    """

    v: Version
    site: str
    meter: str
    zone: str
    interval_s: float
    max_gap_s: float
    skew_s: float
    signal_gaps_s: dict[str, float] = {}
    rating_w: float | None = None


class MeterRecord(
    msgspec.Struct, tag_field="kind", tag="meter", forbid_unknown_fields=True, gc=False
):
    """Signals of a meter; null = no value.

    ``power_w`` (+ = export), ``power_factor``, counters ``import_wh``, ``export_wh``, ``total_wh``.
    """

    v: Version
    t: list[int]
    values: dict[str, Column]
