"""A checker that cannot fail is worth nothing: each invariant sees one thing that is wrong."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest

from schemas import topics as contract
from schemas.topics import Topic
from stream_app.agents import fold_chunk
from stream_app.codec.telemetry import decode
from stream_app.engine.position import POSITION_KEY, Position, encode_position
from stream_app.engine.table import state_key
from tests.faults import golden as golden_module
from tests.faults.checker import alarms_in_order, alive, check, dead_letters
from tests.faults.evidence import Evidence, Record, View
from tests.faults.golden import TABLE, Golden, golden
from tests.faults.workload import POISON, Workload, shuffled, station, with_poison

CHUNK = 30
CONDITIONS = {contract.ALARMS.suffix, contract.FINDINGS.suffix}
WORKLOAD = with_poison(station(2, 120, 3), 0.05, 3)


def undisturbed(workload: Workload = WORKLOAD) -> Evidence:
    """What one worker that nothing happens to leaves behind, with one partition."""
    sent = [Record(0, n, key, value) for n, (key, value) in enumerate(workload.records)]
    found = Evidence({contract.TELEMETRY.suffix: sent})
    table: dict[bytes, bytes] = {}
    for first in range(0, len(sent), CHUNK):
        chunk = sent[first : first + CHUNK]
        pairs = [(record.key, record.value) for record in chunk]
        before = dict(table)
        folded = fold_chunk(decode(pairs), table, pairs)
        for each in folded.records:
            publish(found, each.topic, each.key, each.value)
        for place in sorted(folded.refused):
            bad, at = chunk[place], str(chunk[place].offset).encode()
            headers = (("bess_partition", b"0"), ("bess_offset", at))
            publish(found, contract.DEAD_LETTERS, bad.key or b"", bad.value or b"", headers)
        for key, state in table.items():
            if before.get(key) != state:
                publish(found, contract.STATE, state_key(TABLE, key), state)
        position = encode_position(Position(None, {"telemetry": chunk[-1].offset + 1}))
        publish(found, contract.STATE, POSITION_KEY, position)
    end = len(sent)
    states = {state_key(TABLE, key): state for key, state in table.items()}
    found.views, found.committed, found.ends = {0: View(end, states)}, {0: end}, {0: end}
    return found


def publish(
    found: Evidence,
    topic: Topic,
    key: bytes,
    value: bytes,
    headers: tuple[tuple[str, bytes], ...] = (),
) -> None:
    records = found.topics.setdefault(topic.suffix, [])
    records.append(Record(0, len(records), key, value, headers))


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
    end = found.views[0].offset - 40
    found.views[0] = View(end, found.views[0].states)


def empty_the_view(found: Evidence) -> None:
    found.views[0] = View(found.views[0].offset, {})


def damage_the_view(found: Evidence) -> None:
    found.views[0] = replace(found.views[0], damage="a state is damaged")


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
    "the view is damaged": ({"I4"}, damage_the_view),
    "the changelog has another state": ({"I5"}, alter_the_changelog),
    "an offset is not committed": ({"I6"}, commit_less),
    "a transaction is open": ({"I6"}, leave_open),
    "windows out of order": ({"I7"}, swap_last(contract.ROLLUPS["5min"])),
    "alarms out of order": ({"I7"}, swap_last(contract.ALARMS)),
    "a dead letter lost": ({"I8"}, lose(contract.DEAD_LETTERS)),
    "a dead letter doubled": ({"I8"}, double(contract.DEAD_LETTERS)),
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


@pytest.mark.parametrize(("pause_s", "violations"), [(1.0, 0), (30.0, 0), (30.1, 1)])
def test_standing_still_beyond_the_bound_is_seen(pause_s: float, violations: int) -> None:
    assert len(alive(pause_s, bound_s=30.0)) == violations


def test_the_workload_leads_to_every_kind_of_result(clean: Evidence) -> None:
    assert {topic for topic, records in clean.topics.items() if records} == {
        topic.suffix for topic in contract.TOPICS if topic.co_partitioned
    }
    assert len(WORKLOAD.poison) > 10


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


def test_the_order_of_a_block_s_alarms_does_not_depend_on_batching(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evidence = undisturbed(station(2, 200, 1))
    one_by_one = golden(evidence)
    monkeypatch.setattr(golden_module, "SLICE", 1)

    assert alarms_in_order(one_by_one, golden(evidence)) == []


BAD: tuple[bytes | None, bytes | None] = (b"test/0PCS1", b"bad")


def flooded(*notices: bytes) -> Evidence:
    """150 bad records of 1,001, the first hundred of them as dead letters, and such notices."""
    sent = [Record(0, at, *BAD) for at in range(150)]
    sent += [Record(0, at, b"test/0PCS1", b"good") for at in range(150, 1001)]
    found = Evidence({contract.TELEMETRY.suffix: sent})
    for at in range(100):
        headers = (("bess_partition", b"0"), ("bess_offset", b"%d" % at))
        publish(found, contract.DEAD_LETTERS, b"test/0PCS1", b"bad", headers)
    for count in notices:
        headers = (("bess_partition", b"0"), ("bess_offset", b"0"), ("bess_records", count))
        publish(found, contract.DEAD_LETTERS, b"", b"", headers)
    return found


@pytest.mark.parametrize(
    ("notices", "right"), [((b"50",), True), ((), False), ((b"51",), False), ((b"50",) * 2, False)]
)
def test_what_is_not_published_must_have_one_notice(
    notices: tuple[bytes, ...], right: bool
) -> None:
    assert (dead_letters(flooded(*notices), Golden(), [BAD]) == []) is right
