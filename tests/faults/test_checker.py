"""A checker that cannot fail is worth nothing: each invariant sees one thing that is wrong."""

import copy
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from schemas import topics as contract
from schemas.topics import Topic
from stream_app.agents import fold_chunk
from stream_app.codec.telemetry import decode
from stream_app.dead_letters import STRETCH
from stream_app.engine.position import POSITION_KEY, Position, encode_position, mark_of
from stream_app.engine.table import state_key
from tests.faults import golden as golden_module
from tests.faults.checker import (
    alarms_in_order,
    alive,
    check,
    equal_envelopes,
    equal_values,
    unique_and_complete,
    view_is_the_fold,
)
from tests.faults.evidence import READ, Evidence, Record, View
from tests.faults.golden import TABLE, Golden, golden
from tests.faults.letters import dead_letters
from tests.faults.workload import POISON, Workload, shuffled, station, with_poison

CHUNK = 30
SOURCE = "rig.telemetry.v1"
REASON = re.compile(rb'"reason":"(\w+)"')
SENT_MS = 1_760_000_000_000
CONDITIONS = {contract.ALARMS.suffix, contract.FINDINGS.suffix}
WORKLOAD = with_poison(station(2, 100, 3), 0.05, 3)


def undisturbed(workload: Workload = WORKLOAD) -> Evidence:
    """What one worker that nothing happens to leaves behind, with one partition."""
    sent = [Record(0, n, *each, time=SENT_MS + n) for n, each in enumerate(workload.records)]
    found = Evidence(SOURCE, {contract.TELEMETRY.suffix: sent})
    refused: list[int] = []
    position = Position()
    table: dict[bytes, bytes] = {}
    for first in range(0, len(sent), CHUNK):
        chunk = sent[first : first + CHUNK]
        pairs = [(record.key, record.value) for record in chunk]
        before = dict(table)
        folded = fold_chunk(decode(pairs), table, pairs)
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


def lose(topic: Topic) -> Callable[[Evidence], None]:
    def spoil(found: Evidence) -> None:
        del found.topics[topic.suffix][-1]

    return spoil


def double(topic: Topic) -> Callable[[Evidence], None]:
    def spoil(found: Evidence) -> None:
        found.topics[topic.suffix].append(found.topics[topic.suffix][-1])

    return spoil


def alter(topic: Topic, old: bytes, new: bytes) -> Callable[[Evidence], None]:
    def spoil(found: Evidence) -> None:
        records = found.topics[topic.suffix]
        value = records[-1].value or b""
        assert old in value
        records[-1] = replace(records[-1], value=value.replace(old, new, 1))

    return spoil


def swap_last(topic: Topic) -> Callable[[Evidence], None]:
    def spoil(found: Evidence) -> None:
        records = found.topics[topic.suffix]
        same = [n for n, record in enumerate(records) if record.key == records[-1].key]
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


def revise_too_early(found: Evidence) -> None:
    records = found.topics[contract.ROLLUPS["1h"].suffix]
    last = next(n for n, each in enumerate(records) if b"late_data" in (each.value or b""))
    records.insert(0, records.pop(last))


def go_back_in_the_changelog(found: Evidence) -> None:
    records = found.topics[contract.STATE.suffix]
    first = next(record for record in records if record.key == POSITION_KEY)
    records[:] = [*records[:-1], first, records[-1]]


def damage_the_view(found: Evidence) -> None:
    found.views[0] = replace(found.views[0], damage="a state is damaged")


def alter_the_view(change: Callable[[bytes], bytes]) -> Callable[[Evidence], None]:
    def spoil(found: Evidence) -> None:
        states = {key: change(state) for key, state in found.views[0].states.items()}
        found.views[0] = replace(found.views[0], states=states)

    return spoil


def _of_before(state: bytes) -> bytes:
    """As it is encoded where it was read from a format without this field."""
    plain = msgspec.msgpack.decode(state[1:])
    del plain["correction"]
    return state[:1] + msgspec.msgpack.encode(plain)


def _counted_more(state: bytes) -> bytes:
    plain = msgspec.msgpack.decode(state[1:])
    plain["corrections"] += 1
    return state[:1] + msgspec.msgpack.encode(plain)


def alter_the_changelog(found: Evidence) -> None:
    records = found.topics[contract.STATE.suffix]
    place = max(n for n, record in enumerate(records) if record.key != POSITION_KEY)
    records[place] = replace(records[place], value=(records[place].value or b"") + b"\x00")


def commit_less(found: Evidence) -> None:
    found.committed[0] -= 1


def leave_open(found: Evidence) -> None:
    found.open["rollup.5min.v1/0"] = 3


def lose_a_record(found: Evidence) -> None:
    """A record that was folded is not in the input: as if it had been folded twice."""
    records = found.topics[contract.TELEMETRY.suffix]
    place = next(n for n, r in enumerate(records) if n > 40 and b'"power"' in (r.value or b""))
    del records[place]


WRONG: dict[str, tuple[set[str], Callable[[Evidence], None]]] = {
    "a sample counted that was not sent": ({"I1"}, lose_a_record),
    "a window lost": ({"I2"}, lose(contract.ROLLUPS["5min"])),
    "a window doubled": ({"I2"}, double(contract.ROLLUPS["1h"])),
    "a day lost": ({"I2"}, lose(contract.DAILY)),
    "an alarm doubled": ({"I2", "I3"}, double(contract.ALARMS)),
    "an alarm lost": ({"I2", "I3"}, lose(contract.ALARMS)),
    "a finding lost": ({"I2"}, lose(contract.FINDINGS)),
    "a late sample doubled": ({"I2"}, double(contract.TOO_LATE)),
    "a day's energy wrong": ({"I3"}, alter(contract.DAILY, b'charged_w_ms":', b'charged_w_ms":1')),
    "a window's energy wrong": ({"I3"}, alter(contract.ROLLUPS["15min"], b'w_ms":[', b'w_ms":[1')),
    "an alarm's time wrong": ({"I3"}, alter(contract.ALARMS, b'"time":"2025', b'"time":"2024')),
    "the view claims less than it shows": ({"I4", "I6"}, age_the_view),
    "the view is empty": ({"I4", "I5"}, empty_the_view),
    "the view has other states": ({"I4", "I5"}, alter_the_view(_counted_more)),
    "the view has states that cannot be read": ({"I4", "I5"}, alter_the_view(lambda s: s[:-1])),
    "the view is damaged": ({"I4"}, damage_the_view),
    "the changelog has another state": ({"I5"}, alter_the_changelog),
    "an offset is not committed": ({"I6"}, commit_less),
    "a transaction is open": ({"I6"}, leave_open),
    "windows out of order": ({"I7"}, swap_last(contract.ROLLUPS["5min"])),
    "a revision before what it replaces": ({"I7"}, revise_too_early),
    "alarms out of order": ({"I7"}, swap_last(contract.ALARMS)),
    "a dead letter lost": ({"I8"}, lose(contract.DEAD_LETTERS)),
    "a dead letter doubled": ({"I8"}, double(contract.DEAD_LETTERS)),
    "days in another partition": ({"I3"}, stand(contract.DAILY, partition=3)),
    "days with another key": ({"I3"}, stand(contract.DAILY, key=b"x")),
    "windows with another key": ({"I3"}, stand(contract.ROLLUPS["1h"], key=b"x")),
    "windows with another time": ({"I3"}, stand(contract.ROLLUPS["1h"], time=1)),
    "alarms without headers": ({"I3"}, stand(contract.ALARMS, headers=())),
    "alarms with another time": ({"I3"}, stand(contract.ALARMS, time=1)),
    "a late sample with another reason": ({"I3"}, alter(contract.TOO_LATE, b"reason", b"unread")),
    "a position that the view does not have": ({"I5"}, claim_in_the_changelog_alone),
    "a position with another newest record": ({"I5"}, claim(marks={SOURCE: (7, 7)})),
    "a position with another tally": ({"I5"}, claim(letters=99)),
    "a position that goes back": ({"I7"}, go_back_in_the_changelog),
    "a dead letter with another reason": ({"I8"}, give_another_reason),
    "dead letters with another time": ({"I8"}, stand(contract.DEAD_LETTERS, time=1)),
    "dead letters in another partition": ({"I8"}, stand(contract.DEAD_LETTERS, partition=3)),
    "a dead letter altered": ({"I8"}, alter(contract.DEAD_LETTERS, b'"', b"'")),
}


@pytest.fixture(scope="module")
def clean() -> Evidence:
    return undisturbed()


def test_an_undisturbed_run_violates_nothing(clean: Evidence) -> None:
    assert check(clean, WORKLOAD.poison) == []


@pytest.mark.parametrize("wrong", WRONG)
def test_one_thing_wrong_is_seen(clean: Evidence, wrong: str) -> None:
    invariants, spoil = WRONG[wrong]
    evidence = copy.deepcopy(clean)

    spoil(evidence)

    assert invariants <= {each.invariant for each in check(evidence, WORKLOAD.poison)}


def test_every_invariant_of_the_evidence_is_seen_to_fail() -> None:
    assert set().union(*(invariants for invariants, _ in WRONG.values())) == {
        f"I{number}" for number in range(1, 9)
    }


def test_a_good_record_that_was_refused_is_seen(clean: Evidence) -> None:
    planted = sorted(WORKLOAD.poison, key=str)

    words = [str(each) for each in check(clean, planted[1:])]

    assert any("a good record" in each and each.startswith("I8") for each in words)


def test_a_state_from_an_older_format_may_leave_out_a_default(clean: Evidence) -> None:
    evidence = copy.deepcopy(clean)

    alter_the_view(_of_before)(evidence)

    assert evidence.views[0].states != clean.views[0].states
    assert view_is_the_fold(evidence) == []


@pytest.mark.parametrize(("pause_s", "violations"), [(1.0, 0), (30.0, 0), (30.1, 1)])
def test_standing_still_beyond_the_bound_is_seen(pause_s: float, violations: int) -> None:
    assert len(alive(pause_s, bound_s=30.0)) == violations


def test_the_workload_leads_to_every_kind_of_result_of_power(clean: Evidence) -> None:
    assert {topic for topic, records in clean.topics.items() if records} == {
        topic.suffix for topic in READ
    }
    assert len(WORKLOAD.poison) > 10


def test_the_workload_has_late_data_and_a_correction(clean: Evidence) -> None:
    values = [record.value or b"" for each in clean.topics.values() for record in each]
    said = {reason for value in values for reason in REASON.findall(value)}

    assert {b"late_data", b"correction", b"beyond_horizon", b"no_gap"} <= said


def test_each_kind_of_poison_is_refused() -> None:
    bad = [make(b"rig/INV0", number) for number, make in enumerate(POISON.values())]
    workload = station(1, 4, 1)

    evidence = undisturbed(Workload(workload.records[:3] + bad))

    assert sorted(golden(evidence).refused) == [(0, 3 + n) for n in range(len(POISON))]


def test_order_and_doubles_within_the_lateness_change_no_window() -> None:
    straight = station(3, 200, 5, strays=False)
    disordered = shuffled(straight, 5)

    assert len(disordered.records) > len(straight.records)
    assert disordered.records[:50] != straight.records[:50]
    windows = [
        {row for row in golden(undisturbed(each)).rows if row.topic not in CONDITIONS}
        for each in (straight, disordered)
    ]
    assert windows[0] == windows[1]


def test_results_and_the_order_of_a_block_s_alarms_do_not_depend_on_batching(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evidence = undisturbed(station(2, 200, 1))
    one_by_one = golden(evidence)
    monkeypatch.setattr(golden_module, "SLICE", 1)

    again = golden(evidence)
    assert alarms_in_order(one_by_one, again) == []
    assert unique_and_complete(one_by_one.rows, again.rows) == []
    assert equal_values(one_by_one.rows, again.rows) == []
    assert equal_envelopes(one_by_one.rows, again.rows) == []


BAD: tuple[bytes | None, bytes | None] = (b"test/0PCS1", b"bad")


def flooded(*notices: int) -> tuple[Evidence, Golden]:
    """150 bad records of 1,001, the first hundred of them as dead letters, and such notices."""
    sent = [Record(0, at, *BAD) for at in range(150)]
    sent += [Record(0, at, b"test/0PCS1", b"good") for at in range(150, 1001)]
    found = Evidence(SOURCE, {contract.TELEMETRY.suffix: sent})
    for bad in sent[:100]:
        refuse(found, bad, "bad")
    for count in notices:
        more = {"bess_last_offset": "999", "bess_records": str(count)}
        refuse(found, Record(0, 0, None, None), "not published", **more)
    return found, Golden(refused={(0, at): "bad" for at in range(150)})


def cut_off(*notices: int) -> Evidence:
    """Telemetry of which the first ten records were deleted unread, and such notices."""
    found = Evidence(SOURCE, {contract.TELEMETRY.suffix: [Record(0, 10, b"test/0PCS1", b"good")]})
    for count in notices:
        more = {"bess_last_offset": str(count - 1), "bess_records": str(count)}
        refuse(found, Record(0, 0, None, None), "deleted", **more)
    return found


@pytest.mark.parametrize(
    ("notices", "right"), [((50,), True), ((), False), ((51,), False), ((50, 50), False)]
)
def test_what_is_not_published_must_have_one_notice(notices: tuple[int, ...], right: bool) -> None:
    evidence, folded = flooded(*notices)

    assert (dead_letters(evidence, folded, [BAD]) == []) is right


@pytest.mark.parametrize(
    ("notices", "right"), [((10,), True), ((), False), ((9,), False), ((10, 10), False)]
)
def test_what_was_deleted_unread_must_have_one_notice(
    notices: tuple[int, ...], right: bool
) -> None:
    assert (dead_letters(cut_off(*notices), Golden(), []) == []) is right
