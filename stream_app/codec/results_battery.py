"""What the folds of batteries and meters give out, as records.

What a pack shows goes under the key of the pack, and the rest under that of its system: each alone
decides the order of its rows, so that the records of a key come in one order, however the rows of
packs and systems lay beside one another.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Literal

import numpy as np

from schemas import topics
from schemas.results import Priority
from schemas.results_battery import (
    BatteryAlarmRecord,
    BatteryFindingRecord,
    BatteryRule,
    CriticalCellRecord,
    CriticalCellsRecord,
    HealthDayRecord,
    LateRowsRecord,
    MeterDayRecord,
)
from stream_app.codec.battery_state import (
    NEWEST_DAY,
    newest_critical,
    newest_signals,
    newest_windows,
)
from stream_app.codec.cell_windows import DECIMALS, cell_records, cell_windows, indicators
from stream_app.codec.results import LONGEST_RUN, Output, alarm_output, iso, output
from stream_app.codec.signal_windows import signal_records, signal_windows
from stream_app.core.battery import Battery, MeterPoint
from stream_app.core.battery_system import BatteryOutputs, Part
from stream_app.core.calendar import calendar
from stream_app.core.cells.critical import CriticalCells
from stream_app.core.cells.findings import CellFinding
from stream_app.core.energy import Ints
from stream_app.core.health.extremes import LimitChange
from stream_app.core.health.flags import FlagChange
from stream_app.core.health.result import Change, HealthDay
from stream_app.core.meters import MeterOutputs
from stream_app.core.rows import LateRow

PRIORITIES: dict[BatteryRule, Priority] = {
    "OVER_VOLT_ALARM": "high",
    "OVER_VOLT_WARNING": "medium",
    "UNDER_VOLT_ALARM": "high",
    "UNDER_VOLT_WARNING": "medium",
    "OVER_TEMP_ALARM": "high",
    "OVER_TEMP_WARNING": "medium",
    "UNDER_TEMP_ALARM": "high",
    "UNDER_TEMP_WARNING": "medium",
    "THERMAL_RUNAWAY": "critical",
    "CELL_VOLTAGE_DEVIATION": "low",
    "WEAK_CELL": "low",
    "CELL_VOLTAGE_DRIFT": "low",
    "CELL_VOLTAGE_STUCK": "medium",
    "CELL_TEMPERATURE_STUCK": "medium",
    "HOT_CELL": "medium",
    "VOLTAGE_IMBALANCE_WARNING": "medium",
    "LEARNED_ANOMALY": "low",
    "SOC_JUMP": "low",
    "SOC_FROZEN": "medium",
    "SOC_DRIFT": "low",
    "FLAG": "high",
    "STALE_DATA": "high",
}

_UNITS = {"FLAG": "1", "STALE_DATA": "s"}
Condition = tuple[str | None, int | None, str, CellFinding | Change]
"""Pack, cell and unit of what began or ended."""


def encode_battery_outputs(battery: Battery, outputs: BatteryOutputs) -> Iterator[Output]:
    """All records of a fold of a battery system, in a fixed order."""
    for windows in outputs.cells.windows:
        yield from cell_records(battery, windows)
    for signals in outputs.windows:
        yield from signal_records(battery, signals)
    for table in outputs.cells.critical:
        yield _critical(battery, table)
    for day in outputs.days:
        yield _health(battery, day)
    for condition in _conditions(outputs):
        yield from _told(battery, condition)
    for late in outputs.cells.late:
        yield from _late(_key(battery, late.pack), late.times, late.reason)
    yield from _late_rows(battery.key, outputs.late)


def encode_newest(
    battery: Battery, outputs: BatteryOutputs, records: Iterable[Output]
) -> dict[Part, bytes]:
    """The newest record of each kind: of windows one for each pack and length, with one window.

    ``records`` are those of the outputs: windows that were published alone are there already.
    """
    told = {(each.topic, each.key): each.value for each in records}
    found: dict[Part, bytes] = {}
    for last in {(each.pack, each.resolution): each for each in outputs.cells.windows}.values():
        place = topics.CELLS[last.resolution], _key(battery, last.pack).encode()
        alone = last.between(last.size - 1, last.size)
        value = told[place] if last.size == 1 else cell_windows(battery, alone).value
        found[newest_windows(last.pack, last.resolution)] = value
    for each in {each.resolution: each for each in outputs.windows}.values():
        place = topics.SIGNALS[each.resolution], battery.key.encode()
        value = told[place] if each.size == 1 else signal_windows(battery, each.newest).value
        found[newest_signals(each.resolution)] = value
    for table in outputs.cells.critical:
        found[newest_critical(table.pack)] = _critical(battery, table).value
    for day in outputs.days[-1:]:
        found[NEWEST_DAY] = _health(battery, day).value
    return found


def encode_meter_outputs(point: MeterPoint, outputs: MeterOutputs) -> Iterator[Output]:
    """All records of a fold of a meter, in a fixed order."""
    for day in outputs.days:
        key = f"{point.key}/{day.date}"
        record = MeterDayRecord(
            v=1,
            id=f"{key}/r{day.revision}",
            site=point.site,
            meter=point.meter,
            date=day.date,
            start=iso(day.start),
            end=iso(day.end),
            rows=day.rows,
            values=indicators(day.values),
            missing=dict(day.missing),
            verdicts=dict(day.verdicts),
            revision=day.revision,
            final=day.final,
        )
        yield output(topics.METER_DAILY, key, record, day.start)
    yield from _late_rows(point.key, outputs.late)


def _critical(battery: Battery, table: CriticalCells) -> Output:
    date = calendar(battery.zone).local_date(table.start).isoformat()
    key = f"{_key(battery, table.pack)}/{date}"
    record = CriticalCellsRecord(
        v=1,
        id=key,
        site=battery.site,
        system=battery.system,
        pack=table.pack,
        date=date,
        start=iso(table.start),
        end=iso(table.end),
        cells=[
            CriticalCellRecord(
                rank=each.rank,
                cell=each.concern.cell,
                rule=each.concern.rule,
                since=iso(each.concern.since),
                until=None if each.concern.until is None else iso(each.concern.until),
                days=each.concern.days,
                worst=round(each.concern.worst, DECIMALS),
                limit=round(each.concern.limit, DECIMALS),
                unit=each.concern.unit,
            )
            for each in table.cells
        ],
    )
    return output(topics.CRITICAL_CELLS, key, record, table.start)


def _health(battery: Battery, day: HealthDay) -> Output:
    key = f"{battery.key}/{day.date}"
    record = HealthDayRecord(
        v=1,
        id=f"{key}/r{day.revision}",
        site=battery.site,
        system=battery.system,
        date=day.date,
        start=iso(day.start),
        end=iso(day.end),
        rows=day.rows,
        values=indicators(day.values),
        missing=dict(day.missing),
        band=day.band,
        cycles=list(day.cycles),
        dwell={name: list(times) for name, times in day.dwell.items()},
        revision=day.revision,
        final=day.final,
    )
    return output(topics.HEALTH_DAILY, key, record, day.start)


def _conditions(outputs: BatteryOutputs) -> Iterator[Condition]:
    for finding in outputs.cells.findings:
        yield finding.pack, finding.cell, finding.unit, finding
    for change in outputs.changes:
        own = change.unit if isinstance(change, LimitChange) else None
        yield None, None, own or _UNITS.get(change.rule, "ratio"), change


def _told(battery: Battery, condition: Condition) -> Iterator[Output]:
    """An event of a condition that began or ended, and once it has ended its span."""
    record = _alarm(battery, condition)
    time, key = condition[3].time, _key(battery, record.pack)
    subject = key if record.cell is None else f"{key}/{record.cell}"
    subject = f"{key}/{record.signal}" if record.signal else subject
    yield alarm_output(record, key, battery.key, subject, time)
    if record.state == "cleared":
        yield output(topics.FINDINGS, key, _finding(record), time)


def _alarm(battery: Battery, condition: Condition) -> BatteryAlarmRecord:
    pack, cell, unit, each = condition
    state: Literal["raised", "cleared"] = "raised" if each.raised else "cleared"
    signal = each.signal if isinstance(each, FlagChange | LimitChange) else None
    where = signal or f"{pack or ''}/{'' if cell is None else cell}"
    judged = each.judged
    ended = "" if each.raised else "ended; " if judged else "judged no more; "
    place = "".join(
        [battery.key, f" pack {pack}" if pack else "", f" cell {cell}" if cell is not None else ""]
        + ([f" {signal}"] if signal else [])
    )
    model = each.model if isinstance(each, CellFinding) else None
    by = f", model {model}" if model else ""
    now, most, worst = _sized(each.value, each.limit, unit, by), "", each.worst
    if worst is not None and each.judged:
        most = f"; at worst {_sized(*worst, unit)}"
    return BatteryAlarmRecord(
        v=1,
        id=f"{battery.key}/{where}/{each.rule}/{each.since}/{state}",
        rule=each.rule,
        state=state,
        priority=PRIORITIES[each.rule],
        site=battery.site,
        system=battery.system,
        zone=battery.zone,
        pack=pack,
        cell=cell,
        time=iso(each.time),
        since=iso(each.since),
        value=round(each.value, DECIMALS) + 0.0,
        limit=round(each.limit, DECIMALS) + 0.0,
        unit=unit,
        model=model,
        message=f"{place}: {ended}{each.rule} {now}{most}",
        signal=signal,
        judged=judged,
        worst=None if worst is None else round(worst.value, DECIMALS) + 0.0,
        worst_limit=None if worst is None else round(worst.limit, DECIMALS) + 0.0,
    )


def _sized(value: float, limit: float, unit: str, by: str = "") -> str:
    """A value beside its limit; flags have neither a unit nor a limit to tell."""
    if unit == _UNITS["FLAG"]:
        return f"{value:.4g}"
    return f"{value:.4g} {unit} (limit {limit:.4g}{by})"


def _finding(alarm: BatteryAlarmRecord) -> BatteryFindingRecord:
    began, ended = (datetime.fromisoformat(each) for each in (alarm.since, alarm.time))
    return BatteryFindingRecord(
        v=1,
        id=alarm.id.removesuffix("/cleared"),
        rule=alarm.rule,
        site=alarm.site,
        system=alarm.system,
        zone=alarm.zone,
        pack=alarm.pack,
        cell=alarm.cell,
        since=alarm.since,
        until=alarm.time,
        seconds=round((ended - began).total_seconds(), 3),
        value=alarm.value,
        limit=alarm.limit,
        unit=alarm.unit,
        model=alarm.model,
        message=alarm.message,
        signal=alarm.signal,
        judged=alarm.judged,
        worst=alarm.worst,
        worst_limit=alarm.worst_limit,
    )


def _late_rows(key: str, late: Iterable[LateRow]) -> Iterator[Output]:
    for reason, rows in groupby(late, key=lambda row: row.reason):
        yield from _late(key, np.array([row.time for row in rows], dtype=np.int64), reason)


def _late(key: str, times: Ints, reason: Literal["late", "ahead"]) -> Iterator[Output]:
    site, subject, name, *pack = key.split("/", 3)
    for first in range(0, times.size, LONGEST_RUN):
        some = times[first : first + LONGEST_RUN]
        record = LateRowsRecord(
            v=1,
            site=site,
            system=name if subject == "battery" else None,
            pack=pack[0] if pack else None,
            meter=name if subject == "meter" else None,
            t=some.tolist(),
            reason=reason,
        )
        yield output(topics.TOO_LATE, key, record, int(some[0]))


def _key(battery: Battery, pack: str | None) -> str:
    """Of a pack, or of the system."""
    return battery.key if pack is None else f"{battery.key}/{pack}"
