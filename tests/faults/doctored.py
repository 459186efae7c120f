"""Evidence of an undisturbed run, and the ways to put one thing in it wrong."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from schemas import topics as contract
from schemas.topics import Topic
from stream_app.agents import fold_chunk
from stream_app.codec.telemetry import decode
from stream_app.dead_letters import STRETCH
from stream_app.engine.position import POSITION_KEY, Position, encode_position, mark_of
from stream_app.engine.table import state_key
from stream_app.kept import KeptStates
from tests.faults.evidence import Evidence, Record, View
from tests.faults.golden import TABLE
from tests.faults.workload import Workload, station, with_poison

CHUNK, LIFE = 30, 3
"""Records of a chunk, and chunks until the worker starts anew."""
SOURCE = "rig.telemetry.v1"
REASON = re.compile(rb'"reason":"(\w+)"')
RULE = re.compile(rb'"rule":"(\w+)"')
SENT_MS = 1_760_000_000_000
CONDITIONS = {contract.ALARMS.suffix, contract.FINDINGS.suffix}
WORKLOAD = with_poison(station(2, 100, 3, storage=True), 0.05, 3)
STORAGE = b"rig/battery/"


def undisturbed(workload: Workload = WORKLOAD) -> Evidence:
    """What one worker that nothing happens to leaves behind, with one partition."""
    sent = [Record(0, n, *each, time=SENT_MS + n) for n, each in enumerate(workload.records)]
    found = Evidence(SOURCE, {contract.TELEMETRY.suffix: sent})
    refused: list[int] = []
    position = Position()
    table: dict[bytes, bytes] = {}
    for number, first in enumerate(range(0, len(sent), CHUNK)):
        if number % LIFE == 0:
            kept = KeptStates()
        chunk = sent[first : first + CHUNK]
        pairs = [(record.key, record.value) for record in chunk]
        before = dict(table)
        folded = fold_chunk(decode(pairs), table, pairs, kept)
        for each in folded.records:
            publish(found, each.topic, each.key, each.value, each.headers, each.time)
        for place in sorted(folded.refused):
            refused.append(chunk[place].offset)
            refuse(found, chunk[place], folded.refused[place])
        for key, state in table.items():
            if before.get(key) != state:
                publish(found, contract.STATE, state_key(TABLE, key), state)
        position = position_after(chunk[-1], refused, len(found.of(contract.STATE)) + 1)
        publish(found, contract.STATE, POSITION_KEY, encode_position(position))
    end = len(sent)
    states = {state_key(TABLE, key): state for key, state in table.items()}
    found.views, found.committed, found.ends = {0: View(position, states)}, {0: end}, {0: end}
    return found


def position_after(last: Record, refused: list[int], changelog: int) -> Position:
    letters = sum(each // STRETCH == last.offset // STRETCH for each in refused)
    marks = {SOURCE: mark_of(last.offset, last.key, last.value)}
    return Position(changelog, {SOURCE: last.offset + 1}, letters=letters, marks=marks)


def refuse(found: Evidence, bad: Record, reason: str, **more: str) -> None:
    told = {"bess_topic": SOURCE, "bess_partition": "0", "bess_offset": str(bad.offset)}
    headers = tuple((k, v.encode()) for k, v in ({"bess_reason": reason} | told | more).items())
    key, value = bad.key or b"", bad.value or b""
    publish(found, contract.DEAD_LETTERS, key, value, headers, bad.time)


def publish(
    found: Evidence,
    topic: Topic,
    key: bytes,
    value: bytes,
    headers: tuple[tuple[str, bytes], ...] = (),
    time: int = 0,
) -> None:
    records = found.topics.setdefault(topic.suffix, [])
    records.append(Record(0, len(records), key, value, headers, time))


def newest(found: Evidence, topic: Topic, whose: bytes) -> int:
    """Place of the newest record with such a key."""
    records = found.topics[topic.suffix]
    return max(n for n, each in enumerate(records) if (each.key or b"").startswith(whose))


def lose(topic: Topic, whose: bytes = b"") -> Callable[[Evidence], None]:
    def spoil(found: Evidence) -> None:
        del found.topics[topic.suffix][newest(found, topic, whose)]

    return spoil


def double(topic: Topic, whose: bytes = b"") -> Callable[[Evidence], None]:
    def spoil(found: Evidence) -> None:
        records = found.topics[topic.suffix]
        records.append(records[newest(found, topic, whose)])

    return spoil


def alter(topic: Topic, old: bytes, new: bytes) -> Callable[[Evidence], None]:
    def spoil(found: Evidence) -> None:
        records = found.topics[topic.suffix]
        value = records[-1].value or b""
        assert old in value
        records[-1] = replace(records[-1], value=value.replace(old, new, 1))

    return spoil


def swap_last(topic: Topic, whose: bytes = b"") -> Callable[[Evidence], None]:
    def spoil(found: Evidence) -> None:
        records = found.topics[topic.suffix]
        key = records[newest(found, topic, whose)].key
        same = [n for n, record in enumerate(records) if record.key == key]
        one, other = same[0], same[-1]
        records[one], records[other] = records[other], records[one]

    return spoil


def age_the_view(found: Evidence) -> None:
    view = found.views[0]
    position = replace(view.position, offsets={SOURCE: view.offset - 40})
    found.views[0] = replace(view, position=position)


def empty_the_view(found: Evidence) -> None:
    found.views[0] = replace(found.views[0], states={})


def stand(topic: Topic, **otherwise: Any) -> Callable[[Evidence], None]:
    """All records of a topic stand otherwise."""

    def spoil(found: Evidence) -> None:
        records = found.topics[topic.suffix]
        found.topics[topic.suffix] = [replace(each, **otherwise) for each in records]

    return spoil


def give_another_reason(found: Evidence) -> None:
    records = found.topics[contract.DEAD_LETTERS.suffix]
    headers = {**dict(records[-1].headers), "bess_reason": b"none"}
    records[-1] = replace(records[-1], headers=tuple(headers.items()))


def claim(**otherwise: Any) -> Callable[[Evidence], None]:
    """Changelog and view stand where the last position says otherwise."""

    def spoil(found: Evidence) -> None:
        records = found.topics[contract.STATE.suffix]
        position = replace(found.views[0].position, **otherwise)
        records[-1] = replace(records[-1], value=encode_position(position))
        found.views[0] = replace(found.views[0], position=position)

    return spoil


def claim_in_the_changelog_alone(found: Evidence) -> None:
    wrong = encode_position(Position(None, {SOURCE: 7}))
    for place, record in enumerate(records := found.topics[contract.STATE.suffix]):
        if record.key == POSITION_KEY:
            records[place] = replace(record, value=wrong)


def revise_too_early(topic: Topic, revised: bytes) -> Callable[[Evidence], None]:
    """A record with a revision comes first of all."""

    def spoil(found: Evidence) -> None:
        records = found.topics[topic.suffix]
        last = next(n for n, each in enumerate(records) if revised in (each.value or b""))
        records.insert(0, records.pop(last))

    return spoil


def go_back_in_the_changelog(found: Evidence) -> None:
    records = found.topics[contract.STATE.suffix]
    first = next(record for record in records if record.key == POSITION_KEY)
    records[:] = [*records[:-1], first, records[-1]]


def damage_the_view(found: Evidence) -> None:
    found.views[0] = replace(found.views[0], damage="a state is damaged")


def alter_the_view(
    change: Callable[[bytes], bytes], whose: bytes = b"/INV"
) -> Callable[[Evidence], None]:
    def spoil(found: Evidence) -> None:
        states = {
            key: change(state) if whose in key else state
            for key, state in found.views[0].states.items()
        }
        found.views[0] = replace(found.views[0], states=states)

    return spoil


def of_before(state: bytes) -> bytes:
    """As it is encoded where it was read from a format without this field."""
    plain = msgspec.msgpack.decode(state[1:])
    del plain["correction"]
    return state[:1] + msgspec.msgpack.encode(plain)


def _counted_more(state: bytes) -> bytes:
    plain = msgspec.msgpack.decode(state[1:])
    plain["corrections"] += 1
    return state[:1] + msgspec.msgpack.encode(plain)


def _flipped(state: bytes) -> bytes:
    return state[:-1] + bytes([state[-1] ^ 1])


def alter_the_changelog(found: Evidence) -> None:
    records = found.topics[contract.STATE.suffix]
    place = max(n for n, record in enumerate(records) if record.key != POSITION_KEY)
    records[place] = replace(records[place], value=(records[place].value or b"") + b"\x00")


def commit_less(found: Evidence) -> None:
    found.committed[0] -= 1


def leave_open(found: Evidence) -> None:
    found.open["rollup.5min.v1/0"] = 3


def lose_a_record(kind: bytes) -> Callable[[Evidence], None]:
    """A record that was folded is not in the input: as if it had been folded twice."""

    def spoil(found: Evidence) -> None:
        records = found.topics[contract.TELEMETRY.suffix]
        begin = b'{"kind":"%s"' % kind
        place = next(
            n for n, r in enumerate(records) if n > 40 and (r.value or b"").startswith(begin)
        )
        del records[place]

    return spoil


WRONG: dict[str, tuple[set[str], Callable[[Evidence], None]]] = {
    "a sample counted that was not sent": ({"I1"}, lose_a_record(b"power")),
    "cells counted that were not sent": ({"I1"}, lose_a_record(b"cells")),
    "rows of a system counted that were not sent": ({"I1"}, lose_a_record(b"system")),
    "a row of a meter counted that was not sent": ({"I1"}, lose_a_record(b"meter")),
    "a window lost": ({"I2"}, lose(contract.ROLLUPS["5min"])),
    "a window doubled": ({"I2"}, double(contract.ROLLUPS["1h"])),
    "a day lost": ({"I2"}, lose(contract.DAILY)),
    "an alarm doubled": ({"I2", "I3"}, double(contract.ALARMS)),
    "an alarm lost": ({"I2", "I3"}, lose(contract.ALARMS)),
    "a finding lost": ({"I2"}, lose(contract.FINDINGS)),
    "a late sample doubled": ({"I2"}, double(contract.TOO_LATE)),
    "cells in a window lost": ({"I2"}, lose(contract.CELLS["5min"])),
    "signals in a window lost": ({"I2"}, lose(contract.SIGNALS["5min"])),
    "a day of cells doubled": ({"I2"}, double(contract.CELLS["1d"])),
    "critical cells lost": ({"I2", "I3"}, lose(contract.CRITICAL_CELLS)),
    "a battery's day lost": ({"I1", "I2", "I3"}, lose(contract.HEALTH_DAILY)),
    "a meter's day doubled": ({"I2"}, double(contract.METER_DAILY)),
    "a battery's alarm lost": ({"I2", "I3"}, lose(contract.ALARMS, STORAGE)),
    "a battery's finding doubled": ({"I2"}, double(contract.FINDINGS, STORAGE)),
    "late rows of a battery lost": ({"I2"}, lose(contract.TOO_LATE, STORAGE)),
    "a cell's voltage wrong": (
        {"I3"},
        alter(contract.CELLS["15min"], b'voltage_max_v":[[3', b'voltage_max_v":[[2'),
    ),
    "a battery's day wrong": ({"I3"}, alter(contract.HEALTH_DAILY, b'"soc', b'"sos')),
    "a meter's energy wrong": ({"I3"}, alter(contract.METER_DAILY, b'_kwh":', b'_kwh":1')),
    "days of a battery with another time": ({"I3"}, stand(contract.HEALTH_DAILY, time=1)),
    "a day's energy wrong": ({"I3"}, alter(contract.DAILY, b'charged_w_ms":', b'charged_w_ms":1')),
    "a window's energy wrong": ({"I3"}, alter(contract.ROLLUPS["15min"], b'w_ms":[', b'w_ms":[1')),
    "an alarm's time wrong": ({"I3"}, alter(contract.ALARMS, b'"time":"2025', b'"time":"2024')),
    "the view claims less than it shows": ({"I4", "I6"}, age_the_view),
    "the view is empty": ({"I4", "I5"}, empty_the_view),
    "the view has other states": ({"I4", "I5"}, alter_the_view(_counted_more)),
    "the view has states that cannot be read": ({"I4", "I5"}, alter_the_view(lambda s: s[:-1])),
    "the view has other cells": ({"I4", "I5"}, alter_the_view(_flipped, b"\x1fhot")),
    "the view shows another newest day": ({"I4", "I5"}, alter_the_view(_flipped, b"newest")),
    "the view has another meter": ({"I4", "I5"}, alter_the_view(_flipped, b"/meter/")),
    "the view is damaged": ({"I4"}, damage_the_view),
    "the changelog has another state": ({"I5"}, alter_the_changelog),
    "an offset is not committed": ({"I6"}, commit_less),
    "a transaction is open": ({"I6"}, leave_open),
    "windows out of order": ({"I7"}, swap_last(contract.ROLLUPS["5min"])),
    "a revision before what it replaces": (
        {"I7"},
        revise_too_early(contract.ROLLUPS["1h"], b"late_data"),
    ),
    "a revision of cells before what it replaces": (
        {"I7"},
        revise_too_early(contract.CELLS["15min"], b'"revision":[2'),
    ),
    "windows of cells out of order": ({"I7"}, swap_last(contract.CELLS["5min"])),
    "alarms of a battery out of order": ({"I7"}, swap_last(contract.ALARMS, STORAGE)),
    "alarms out of order": ({"I7"}, swap_last(contract.ALARMS)),
    "a dead letter lost": ({"I8"}, lose(contract.DEAD_LETTERS)),
    "a dead letter doubled": ({"I8"}, double(contract.DEAD_LETTERS)),
    "days in another partition": ({"I3"}, stand(contract.DAILY, partition=3)),
    "days with another key": ({"I3"}, stand(contract.DAILY, key=b"x")),
    "windows with another key": ({"I3"}, stand(contract.ROLLUPS["1h"], key=b"x")),
    "windows with another time": ({"I3"}, stand(contract.ROLLUPS["1h"], time=1)),
    "alarms without headers": ({"I3"}, stand(contract.ALARMS, headers=())),
    "alarms with another time": ({"I3"}, stand(contract.ALARMS, time=1)),
    "a late sample with another reason": ({"I3"}, alter(contract.TOO_LATE, b'"late"', b'"ahead"')),
    "a position that the view does not have": ({"I5"}, claim_in_the_changelog_alone),
    "a position with another newest record": ({"I5"}, claim(marks={SOURCE: (7, 7)})),
    "a position with another tally": ({"I5"}, claim(letters=99)),
    "a position that goes back": ({"I7"}, go_back_in_the_changelog),
    "a dead letter with another reason": ({"I8"}, give_another_reason),
    "dead letters with another time": ({"I8"}, stand(contract.DEAD_LETTERS, time=1)),
    "dead letters in another partition": ({"I8"}, stand(contract.DEAD_LETTERS, partition=3)),
    "a dead letter altered": ({"I8"}, alter(contract.DEAD_LETTERS, b'"', b"'")),
}
