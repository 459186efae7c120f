"""What the pipeline gives out, as records: (topic, key, value, headers, event time)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import numpy as np

from schemas import topics
from schemas.results import (
    AlarmRecord,
    DailyRecord,
    FindingRecord,
    Quality,
    QualityColumns,
    RollupRecord,
    TooLateRecord,
)
from schemas.results_battery import BatteryAlarmRecord
from schemas.topics import Topic
from stream_app.core.calendar import calendar
from stream_app.core.energy import ABOVE, BELOW, CHARGED, DISCHARGED, Ints, kwh
from stream_app.core.integrator import (
    CONFLICTS,
    DAY,
    FROZEN,
    GAPS,
    KNOWN_MS,
    LEDGER,
    LEDGER_ROWS,
    OUTSIDE_RATING,
    SAMPLES,
)
from stream_app.core.messages import Finding, Outputs, Rollup, TooLate

LONGEST_RUN = 2_000
"""Windows in one rollup record, and samples in one of samples that came too late."""
MOST_VALUES = 20_000
"""Cells or signals, times windows, in one record of windows: 2 MB or so."""

QUALITY = GAPS, OUTSIDE_RATING, FROZEN, CONFLICTS
"""Columns of the sums, as the fields of :class:`Quality` stand."""

_encoder = msgspec.json.Encoder()

PRIORITIES: dict[str, str] = {
    "STALE_DATA": "high",
    "GAP": "low",
    "POWER_OUTSIDE_RATING": "medium",
    "CLOCK_SKEW": "medium",
    "FROZEN_VALUE": "medium",
}
UNITS: dict[str, str] = dict.fromkeys(PRIORITIES, "s") | {"POWER_OUTSIDE_RATING": "W"}
_SENTENCES: dict[str, str] = {
    "STALE_DATA": "no sample for {value:.0f} s (limit {limit:.0f} s)",
    "GAP": "{value:.0f} s without a sample (limit {limit:.0f} s): energy unknown, not guessed",
    "POWER_OUTSIDE_RATING": "DC power {value:.0f} W against a rating of {limit:.0f} W",
    "CLOCK_SKEW": "a sample {value:.0f} s ahead of its input's clock is set aside",
    "FROZEN_VALUE": "DC power unchanged for {value:.0f} s (limit {limit:.0f} s)",
}


@dataclass(frozen=True)
class Output:
    """One record to publish. ``time`` is its event time [ms UTC]."""

    topic: Topic
    key: bytes
    value: bytes
    time: int
    headers: tuple[tuple[str, bytes], ...] = ()


def encode_outputs(outputs: Outputs) -> Iterator[Output]:
    """All records of a fold, in a fixed order."""
    for rollup in outputs.rollups:
        if rollup.resolution == DAY:
            yield from (output(topics.DAILY, _daily_key(d), d, _ms(d.start)) for d in days(rollup))
        else:
            topic, key = topics.ROLLUPS[rollup.resolution], rollup.block.key
            for part in _parts(rollup):
                yield output(topic, key, rollup_record(part), int(part.run.starts[0]))
    for finding in outputs.findings:
        yield _alarm(finding)
        if not finding.transition.raised:
            record = finding_record(finding)
            yield output(topics.FINDINGS, finding.block.key, record, finding.transition.time)
    for late in outputs.too_late:
        for first in range(0, late.times.size, LONGEST_RUN):
            some, time = slice(first, first + LONGEST_RUN), int(late.times[first])
            yield output(topics.TOO_LATE, late.block.key, _too_late(late, some), time)


def rollup_record(rollup: Rollup) -> RollupRecord:
    """A run of windows in columns."""
    run, block = rollup.run, rollup.block
    energy, sums = _group(rollup), run.sums
    return RollupRecord(
        v=1,
        id=f"{block.key}/{rollup.input}/{rollup.resolution}",
        site=block.site,
        block=block.block,
        input=rollup.input,
        enclosures=list(rollup.enclosures),
        resolution=rollup.resolution,
        final=rollup.final,
        start=run.starts.tolist(),
        end=run.ends.tolist(),
        charged_w_ms=energy[CHARGED].tolist(),
        discharged_w_ms=energy[DISCHARGED].tolist(),
        net_w_ms=(energy[DISCHARGED] - energy[CHARGED]).tolist(),
        error_bound_w_ms=np.maximum(energy[ABOVE], energy[BELOW]).tolist(),
        coverage=np.round(sums[KNOWN_MS] / (run.ends - run.starts), 6).tolist(),
        samples=sums[SAMPLES].tolist(),
        revision=run.revisions.tolist(),
        reason=rollup.reason,
        delta_charged_w_ms=_delta(rollup, CHARGED),
        delta_discharged_w_ms=_delta(rollup, DISCHARGED),
        quality=QualityColumns(*(_unless_zero(sums[each]) for each in QUALITY)),
    )


def days(rollup: Rollup) -> Iterator[DailyRecord]:
    """One record for each enclosure and day of a daily run."""
    run, nothing = rollup.run, [None] * rollup.run.starts.size
    columns = np.concatenate([run.sums[:LEDGER], _group(rollup)]).T.tolist()
    deltas = [_delta(rollup, row) or nothing for row in (CHARGED, DISCHARGED)]
    spans = (run.starts.tolist(), run.ends.tolist(), run.revisions.tolist(), columns, *deltas)
    for each in zip(*spans, strict=True):
        day = _day(rollup, *each)
        for enclosure in rollup.enclosures:
            name = f"{day.site}/{enclosure}/{day.date}/r{day.revision}"
            yield msgspec.structs.replace(day, id=name, enclosure=enclosure)


def alarm_record(finding: Finding) -> AlarmRecord:
    """The raise or clear of a condition."""
    each, block = finding.transition, finding.block
    state: Literal["raised", "cleared"] = "raised" if each.raised else "cleared"
    return AlarmRecord(
        v=1,
        id=f"{block.key}/{finding.input}/{each.rule}/{each.since}/{state}",
        rule=each.rule,
        state=state,
        priority=PRIORITIES[each.rule],  # type: ignore[arg-type]
        site=block.site,
        block=block.block,
        input=finding.input,
        enclosures=list(finding.enclosures),
        time=iso(each.time),
        since=iso(each.since),
        value=each.value,
        limit=each.limit,
        unit=UNITS[each.rule],
        message=_message(finding),
    )


def finding_record(finding: Finding) -> FindingRecord:
    """A condition that ended, with its span."""
    each, block = finding.transition, finding.block
    return FindingRecord(
        v=1,
        id=f"{block.key}/{finding.input}/{each.rule}/{each.since}",
        rule=each.rule,
        site=block.site,
        block=block.block,
        input=finding.input,
        enclosures=list(finding.enclosures),
        since=iso(each.since),
        until=iso(each.time),
        seconds=(each.time - each.since) / 1000,
        value=each.value,
        limit=each.limit,
        unit=UNITS[each.rule],
        message=_message(finding),
    )


def output(topic: Topic, key: str, record: msgspec.Struct, time: int) -> Output:
    """A record of an event time [ms UTC]."""
    return Output(topic, key.encode(), _encoder.encode(record), time)


def alarm_output(
    record: AlarmRecord | BatteryAlarmRecord, key: str, source: str, subject: str, time: int
) -> Output:
    """A raise or a clear, with the headers of a CloudEvent."""
    headers = {
        "ce_specversion": "1.0",
        "ce_type": f"bess.alarm.{record.state}.v1",
        "ce_source": f"/{source}",
        "ce_subject": subject,
        "ce_id": record.id,
        "ce_time": record.time,
        "content-type": "application/json",
    }
    encoded = tuple((name, value.encode()) for name, value in headers.items())
    return replace(output(topics.ALARMS, key, record, time), headers=encoded)


def iso(instant: int) -> str:
    """ISO 8601 in UTC, to the millisecond, of ms UTC."""
    text = datetime.fromtimestamp(instant / 1000, tz=UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _day(
    rollup: Rollup,
    start: int,
    end: int,
    revision: int,
    sums: list[int],
    delta_charged: int | None,
    delta_discharged: int | None,
) -> DailyRecord:
    """A day but for the enclosure, which is filled in for each."""
    return DailyRecord(
        v=1,
        id="",
        site=rollup.block.site,
        block=rollup.block.block,
        input=rollup.input,
        enclosure="",
        date=calendar(rollup.block.zone).local_date(start).isoformat(),
        start=iso(start),
        end=iso(end),
        **_day_energy(sums[LEDGER:]),
        known_s=sums[KNOWN_MS] / 1000,
        coverage=round(sums[KNOWN_MS] / (end - start), 6),
        samples=sums[SAMPLES],
        quality=Quality(*(sums[each] for each in QUALITY)),
        revision=revision,
        final=rollup.final,
        reason=rollup.reason,
        delta_charged_w_ms=delta_charged,
        delta_discharged_w_ms=delta_discharged,
    )


def _day_energy(rows: list[int]) -> dict[str, Any]:
    out, into, above, below = rows
    bound = max(above, below)
    return {
        "charged_kwh": round(kwh(into), 9),
        "discharged_kwh": round(kwh(out), 9),
        "net_kwh": round(kwh(out - into), 9),
        "error_bound_kwh": round(kwh(bound), 9),
        "charged_w_ms": into,
        "discharged_w_ms": out,
        "net_w_ms": out - into,
        "error_bound_w_ms": bound,
    }


def _alarm(finding: Finding) -> Output:
    record, key = alarm_record(finding), finding.block.key
    return alarm_output(record, key, key, finding.input, finding.transition.time)


def _parts(rollup: Rollup) -> Iterator[Rollup]:
    """Cut a long run of windows, for an outage of a year would not fit into one record."""
    for first in range(0, rollup.run.starts.size, LONGEST_RUN):
        yield replace(rollup, run=rollup.run.between(first, first + LONGEST_RUN))


def _too_late(late: TooLate, part: slice) -> TooLateRecord:
    return TooLateRecord(
        v=1,
        site=late.block.site,
        block=late.block.block,
        input=late.input,
        t=late.times[part].tolist(),
        dc_power_w=late.power[part].tolist(),
        reason=late.reason,
    )


def _group(rollup: Rollup) -> Ints:
    first = LEDGER + rollup.group * LEDGER_ROWS
    return rollup.run.sums[first : first + LEDGER_ROWS]


def _delta(rollup: Rollup, row: int) -> list[int] | None:
    if rollup.reason is None or rollup.run.deltas is None:
        return None
    delta: list[int] = rollup.run.deltas[LEDGER + rollup.group * LEDGER_ROWS + row].tolist()
    return delta


def _unless_zero(counts: Ints) -> list[int] | None:
    return counts.tolist() if counts.any() else None


def _daily_key(record: DailyRecord) -> str:
    return f"{record.site}/{record.enclosure}/{record.date}"


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _message(finding: Finding) -> str:
    each = finding.transition
    what = _SENTENCES[each.rule].format(value=each.value, limit=each.limit)
    place = f"{finding.block.key} input {finding.input} ({', '.join(finding.enclosures)})"
    return f"{place}: {what}" if each.raised else f"{place}: ended; {what}"
