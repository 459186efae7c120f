"""Messages of batteries and meters as records; see ``codec.battery`` for the way back."""

from typing import Any

import numpy as np

from schemas.battery import (
    BatteryRecord,
    BatteryRulesRecord,
    CellsRecord,
    MeterPointRecord,
    MeterRecord,
    PackRecord,
    SystemRecord,
)
from schemas.telemetry import EndOfDataRecord, HeartbeatRecord
from stream_app.core.battery import (
    Battery,
    CellSamples,
    MeterPoint,
    MeterSamples,
    SystemSamples,
    Values,
)
from stream_app.core.messages import EndOfData, Heartbeat

Message = Battery | CellSamples | SystemSamples | MeterPoint | MeterSamples | Heartbeat | EndOfData
Record = (
    BatteryRecord
    | CellsRecord
    | SystemRecord
    | MeterPointRecord
    | MeterRecord
    | HeartbeatRecord
    | EndOfDataRecord
)
OF_CELLS = ("voltage_v", "temperature_c", "current_a", "soc_ratio")
"""Columns of cells."""


def record_of(message: Message) -> Record:
    """The record that says what a message says."""
    if isinstance(message, CellSamples):
        columns = {name: _nullable(getattr(message, name)) for name in OF_CELLS}
        return CellsRecord(v=1, pack=message.pack, t=message.times.tolist(), **columns)
    if isinstance(message, SystemSamples | MeterSamples):
        values = {name: _nullable(each) for name, each in message.values.items()}
        kind = SystemRecord if isinstance(message, SystemSamples) else MeterRecord
        return kind(v=1, t=message.times.tolist(), values=values)
    if isinstance(message, Battery):
        return _battery_record(message)
    if isinstance(message, MeterPoint):
        return MeterPointRecord(
            v=1,
            site=message.site,
            meter=message.meter,
            zone=message.zone,
            interval_s=message.interval_ms / 1000,
            max_gap_s=message.max_gap_ms / 1000,
            skew_s=message.skew_ms / 1000,
            signal_gaps_s={name: gap / 1000 for name, gap in message.signal_gaps_ms.items()},
            rating_w=message.rating_w,
        )
    kind_of_time = HeartbeatRecord if isinstance(message, Heartbeat) else EndOfDataRecord
    return kind_of_time(v=1, t=message.time)


def _battery_record(battery: Battery) -> BatteryRecord:
    rules = battery.rules
    return BatteryRecord(
        v=1,
        site=battery.site,
        system=battery.system,
        zone=battery.zone,
        packs={name: PackRecord(cells) for name, cells in battery.packs.items()},
        rules=BatteryRulesRecord(
            interval_s=rules.interval_ms / 1000,
            max_gap_s=rules.max_gap_ms / 1000,
            skew_s=rules.skew_ms / 1000,
            rest_a=rules.rest_a,
            rest_s=rules.rest_ms / 1000,
            cells_gap_s=None if rules.cells_gap_ms is None else rules.cells_gap_ms / 1000,
            signal_gaps_s={name: gap / 1000 for name, gap in rules.signal_gaps_ms.items()},
            stale_s=rules.stale_ms / 1000,
        ),
        chemistry=battery.chemistry,
        limits=battery.limits,
        capacity_ah=battery.capacity_ah,
        energy_wh=battery.energy_wh,
        commissioned=battery.commissioned,
        efc_before=battery.efc_before,
        signals=dict(battery.signals),
        own_limits=dict(battery.own_limits),
        own_rules=dict(battery.own_rules),
    )


def _nullable(values: Values | None) -> Any:
    """Nested lists with null for no value."""
    if values is None:
        return None
    known = np.isfinite(values)
    return (values if known.all() else np.where(known, values, np.array(None))).tolist()
