"""Records of the telemetry topic, keyed ``site/block``. JSON; times are ms UTC, power in W.

+ is discharge, - is charge.
"""

from typing import Literal

import msgspec

Version = Literal[1]


class PowerRecord(
    msgspec.Struct,
    tag_field="kind",
    tag="power",
    forbid_unknown_fields=True,
    gc=False,
    omit_defaults=True,
):
    """Power at one time or many: ``t[i]`` belongs to ``dc_power_w[input][i]``; null = no value.

    With ``correction`` it belongs to the days that this correction brings in again.
    """

    v: Version
    t: list[int]
    dc_power_w: dict[str, list[float | None]]
    correction: str | None = None


class HeartbeatRecord(
    msgspec.Struct, tag_field="kind", tag="heartbeat", forbid_unknown_fields=True
):
    """The source is alive at ``t`` although it may have no samples."""

    v: Version
    t: int


class EndOfDataRecord(
    msgspec.Struct, tag_field="kind", tag="end_of_data", forbid_unknown_fields=True
):
    """Nothing before ``t`` is to come: open windows are published as they stand."""

    v: Version
    t: int


class CorrectionBeginRecord(
    msgspec.Struct, tag_field="kind", tag="correction_begin", forbid_unknown_fields=True
):
    """Power with this correction's id replaces the local days from ``since`` to before ``until``.

    Samples of the days before and after may come with it: they show what lies at the edges.
    """

    v: Version
    id: str
    since: int
    until: int


class CorrectionEndRecord(
    msgspec.Struct, tag_field="kind", tag="correction_end", forbid_unknown_fields=True
):
    """All power of a correction has come: what is left of its days is published."""

    v: Version
    id: str


class RulesRecord(msgspec.Struct, forbid_unknown_fields=True):
    """How power becomes energy and findings; times in seconds, power in W."""

    method: Literal["trapezoid", "left"]
    interval_s: float
    max_gap_s: float
    lateness_s: float
    skew_s: float
    stale_s: float
    frozen_s: float
    rating_w: float | None
    resolutions: list[Literal["5min", "15min", "1h", "1d"]]
    correction_s: float = 0.0


class TopologyRecord(msgspec.Struct, tag_field="kind", tag="topology", forbid_unknown_fields=True):
    """A power block: DC inputs, their enclosures with shares that sum to 1, and its rules.

    Travels in the telemetry topic, before the samples that it explains, and in the topology topic.
    """

    v: Version
    site: str
    block: str
    zone: str
    inputs: dict[str, dict[str, float]]
    rules: RulesRecord


TelemetryRecord = (
    PowerRecord
    | HeartbeatRecord
    | EndOfDataRecord
    | TopologyRecord
    | CorrectionBeginRecord
    | CorrectionEndRecord
)
