"""Records of the telemetry topic, keyed ``site/block``. JSON; times are ms UTC, power in W.

+ is discharge, - is charge.
"""

from typing import Literal

import msgspec

Version = Literal[1]


class PowerRecord(
    msgspec.Struct, tag_field="kind", tag="power", forbid_unknown_fields=True, gc=False
):
    """Power at one time or many: ``t[i]`` belongs to ``dc_power_w[input][i]``; null = no value."""

    v: Version
    t: list[int]
    dc_power_w: dict[str, list[float | None]]


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


TelemetryRecord = PowerRecord | HeartbeatRecord | EndOfDataRecord | TopologyRecord
