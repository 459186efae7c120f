"""The results as rows that do not depend on framing, and what they must be.

The golden ones come from folding the telemetry topic itself in this process, record after record in
the order of its offsets: whatever was sent, once, twice or not at all, that is the input.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from schemas import topics as contract
from schemas.results import DailyRecord
from stream_app.agents import fold_chunk
from stream_app.codec.results import Output
from stream_app.codec.telemetry import decode
from stream_app.engine.table import state_key
from stream_app.reports.batteries import BatteryTables
from tests.faults.evidence import Evidence, Record
from tests.faults.rows import ROWS, TOPIC

SLICE = 500
"""Records folded at a time here; workers cut otherwise, which must change nothing."""
TABLE = "energy"


@dataclass(frozen=True)
class Row:
    """The smallest thing that a result says.

    Attributes
    ----------
    series
        What comes in the order of event time: the windows of one enclosure that are published for
        one reason, the alarms of one rule, those of a pack.
    id
        Names the row within its series.
    value
        All that it says.
    envelope
        How its record stands in the topic: partition, key, time and headers.
    subject, revision
        The window or day that it tells of, "" for others; a higher revision replaces a lower one.
    samples
        That a day counts.
    """

    topic: str
    series: str
    id: str
    value: bytes
    envelope: str
    subject: str = ""
    revision: int = 0
    samples: int = 0


@dataclass
class Golden:
    """What the telemetry up to some offsets leads to.

    Attributes
    ----------
    rows
        In the order of each series.
    daily, alarms
        Records, the alarms by key in order.
    tables
        Those of batteries and meters.
    states
        Partition -> key in the view -> state.
    refused
        (partition, offset) -> reason.
    """

    rows: list[Row] = field(default_factory=list)
    daily: list[DailyRecord] = field(default_factory=list)
    alarms: dict[bytes, list[bytes]] = field(default_factory=dict)
    tables: BatteryTables = field(default_factory=BatteryTables)
    states: dict[int, dict[bytes, bytes]] = field(default_factory=dict)
    refused: dict[tuple[int, int], str] = field(default_factory=dict)


def golden(evidence: Evidence, until: Mapping[int, int] | None = None) -> Golden:
    """Fold the telemetry, all of it or that before the offsets ``until``."""
    found = Golden()
    published: list[tuple[str, Record]] = []
    for partition, records in evidence.input().items():
        table: dict[bytes, bytes] = {}
        ours = [each for each in records if until is None or each.offset < until.get(partition, 0)]
        for first in range(0, len(ours), SLICE):
            part = ours[first : first + SLICE]
            pairs = [(record.key, record.value) for record in part]
            folded = fold_chunk(decode(pairs), table, pairs)
            for place, reason in folded.refused.items():
                found.refused[partition, part[place].offset] = reason
            published += (
                (each.topic.suffix, _published(partition, each)) for each in folded.records
            )
        found.states[partition] = {state_key(TABLE, key): state for key, state in table.items()}
    _take(found, published)
    return found


def streamed(evidence: Evidence) -> Golden:
    """What the workers have published, in the form of :func:`golden`."""
    found = Golden(states={number: dict(view.states) for number, view in evidence.views.items()})
    _take(
        found,
        ((topic, record) for topic, records in evidence.topics.items() for record in records),
    )
    return found


def _take(found: Golden, published: Iterable[tuple[str, Record]]) -> None:
    alarms: dict[bytes, list[bytes]] = defaultdict(list)
    for topic, record in published:
        if record.value is None or topic not in ROWS:
            continue
        key, rows = record.key or b"", list(ROWS[topic](record.value))
        envelope = _envelope(record, rows[0].time)
        found.rows += (
            Row(topic, each.series, each.id, each.value, envelope, *each[4:]) for each in rows
        )
        if topic == contract.DAILY.suffix:
            found.daily.append(msgspec.json.decode(record.value, type=DailyRecord))
        elif topic == contract.ALARMS.suffix:
            alarms[key].append(record.value)
        if topic != contract.ALARMS.suffix or key.count(b"/") > 1:
            found.tables.take(Output(TOPIC[topic], key, record.value, record.time))
    found.alarms = dict(alarms)


def _published(partition: int, each: Output) -> Record:
    return Record(partition, 0, each.key, each.value, each.headers, each.time)


def _envelope(record: Record, event_ms: int) -> str:
    """How many windows or samples share a record depends on framing; its time is the first one's.

    One that is dated ahead of the clock has the time at which it was sent.
    """
    ahead = event_ms > time.time() * 1000
    at = "its event's time" if ahead or record.time == event_ms else f"time {record.time}"
    headers = ", ".join(f"{name}={value!r}" for name, value in record.headers)
    return f"partition {record.partition}, key {record.key!r}, {at}, headers [{headers}]"
