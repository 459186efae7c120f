"""The invariants I1-I10: each a function from evidence to violations in words.

`check` applies those that need no clock; none of them knows which fault was injected.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from schemas import topics as contract
from stream_app.codec.state import restore
from stream_app.dead_letters import STRETCH
from stream_app.engine.position import POSITION_KEY, Position, decode_position, mark_of
from stream_app.keys import subject_of, telemetry_key
from stream_app.reports.daily import daily_csv, newest
from tests.faults.evidence import Evidence
from tests.faults.golden import Golden, Row, golden, streamed
from tests.faults.letters import dead_letters
from tests.faults.workload import Record as Sent

SHOWN = 5
"""Of many violations of one kind, so many are spelled out."""


@dataclass(frozen=True)
class Violation:
    """An invariant that does not hold, and how that shows."""

    invariant: str
    words: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.words}"


def check(evidence: Evidence, poison: Iterable[Sent] = (), *, ours: bool = True) -> list[Violation]:
    """All violations; ``poison`` are the records that had to become dead letters.

    ``ours`` is False for an application that keeps no view in Redis, and dates records as it likes.
    """
    right, found = golden(evidence), streamed(evidence)
    rules: dict[str, Callable[[], list[str]]] = {
        "I1": lambda: counted_once(right, found),
        "I2": lambda: unique_and_complete(right.rows, found.rows),
        "I3": lambda: (
            equal_values(right.rows, found.rows)
            + same_reports(right, found)
            + (equal_envelopes(right.rows, found.rows) if ours else [])
        ),
        "I4": lambda: view_is_the_fold(evidence, right) if ours else [],
        "I5": lambda: view_is_the_changelog(evidence, right) if ours else [],
        "I6": lambda: settled(evidence, view=ours),
        "I7": lambda: (
            in_order(right.rows, found.rows)
            + alarms_in_order(right, found)
            + revisions_rise(found.rows)
            + (positions_in_order(evidence) if ours else [])
        ),
        "I8": lambda: dead_letters(evidence, right, poison),
    }
    return [Violation(name, words) for name, rule in rules.items() for words in few(rule())]


def few(words: Sequence[str]) -> list[str]:
    """The first of many, and how many more there are."""
    rest = len(words) - SHOWN
    return [*words[:SHOWN], f"and {rest} more"] if rest > 0 else list(words)


def counted_once(right: Golden, found: Golden) -> list[str]:
    """I1: the days of a series have as many samples as the telemetry holds, in all revisions."""
    expected, counted = _samples(right), _samples(found)
    return [
        f"{series} has {counted[series]} samples, not {expected[series]}"
        for series in sorted(expected.keys() | counted.keys())
        if expected[series] != counted[series]
    ]


def _samples(results: Golden) -> Counter[str]:
    samples: Counter[str] = Counter()
    # A correction hides what was counted before it, and so each revision counts.
    for row in {_name(each): each for each in results.rows if each.samples}.values():
        samples[f"{row.topic} {row.series}"] += row.samples
    return samples


def unique_and_complete(right: Sequence[Row], found: Sequence[Row]) -> list[str]:
    """I2: every row is there, and none once more."""
    expected, published = Counter(map(_name, right)), Counter(map(_name, found))
    return [
        f"{name} is published {published[name]} times, not {expected[name]}"
        for name in sorted(expected.keys() | published.keys())
        if expected[name] != published[name]
    ]


def equal_values(right: Sequence[Row], found: Sequence[Row]) -> list[str]:
    """I3: what a row says is what the fold says."""
    said: dict[str, set[bytes]] = defaultdict(set)
    for row in right:
        said[_name(row)].add(row.value)
    return [
        f"{_name(row)} says {row.value!r}, the fold {sorted(said[_name(row)])!r}"
        for row in found
        if _name(row) in said and row.value not in said[_name(row)]
    ]


def equal_envelopes(right: Sequence[Row], found: Sequence[Row]) -> list[str]:
    """I3: a row's record has the partition, key, time and headers that the fold gives it."""
    stands: dict[str, set[str]] = defaultdict(set)
    for row in right:
        stands[_name(row)].add(row.envelope)
    return [
        f"{_name(row)} has {row.envelope}; the fold gives {sorted(stands[_name(row)])}"
        for row in found
        if _name(row) in stands and row.envelope not in stands[_name(row)]
    ]


def same_reports(right: Golden, found: Golden) -> list[str]:
    """I3: tables and the alarm history are those of the undisturbed run, byte for byte."""
    right_tables, tables = (
        {name: "".join(lines) for name, lines in each.tables.files()} for each in (right, found)
    )
    words = [
        f"{name} differs from that of the undisturbed run"
        for name in sorted(right_tables.keys() | tables.keys())
        if right_tables.get(name) != tables.get(name)
    ]
    if daily_csv(newest(right.daily)) != daily_csv(newest(found.daily)):
        words.append("the daily table differs from that of the undisturbed run")
    if _by_time(right.alarms) != _by_time(found.alarms):
        words.append("the alarm history differs from that of the undisturbed run")
    return words


class _Told(msgspec.Struct):
    """As much of an alarm as its place in the history takes."""

    id: str
    time: str


def _by_time(alarms: Mapping[bytes, Sequence[bytes]]) -> list[bytes]:
    """The history as one reads it: by time, then id."""
    records = [
        (msgspec.json.decode(value, type=_Told), value)
        for each in alarms.values()
        for value in each
    ]
    return [value for _, value in sorted(records, key=lambda each: (each[0].time, each[0].id))]


def view_is_the_fold(evidence: Evidence, whole: Golden) -> list[str]:
    """I4: Redis shows the fold of the telemetry before the offset that it claims.

    A power block's state that was read from an older format may leave out what has its default
    value.
    """
    until = {number: view.offset for number, view in evidence.views.items()}
    ends = {number: records[-1].offset + 1 for number, records in evidence.input().items()}
    behind = any(until.get(number, 0) < end for number, end in ends.items())
    right = (golden(evidence, until) if behind else whole).states
    shown = {
        number: {
            key: _as_folded(key, state, right.get(number, {}).get(key))
            for key, state in each.items()
        }
        for number, each in ((number, view.states) for number, view in evidence.views.items())
    }
    damage = [view.damage for view in evidence.views.values() if view.damage]
    return damage + _differences("the view", shown, "the fold", right)


def _as_folded(key: bytes, state: bytes, folded: bytes | None) -> bytes:
    """The folded state where this one means the same."""
    if folded is None or state == folded or state[:1] != folded[:1]:
        return state
    if subject_of(telemetry_key(key)) != "block":
        return state
    try:
        return folded if restore(state) == restore(folded) else state
    except (ValueError, msgspec.MsgspecError):
        return state


def view_is_the_changelog(evidence: Evidence, right: Golden) -> list[str]:
    """I5: the view rebuilt from the changelog is the view, and both say where they stand."""
    shown = {number: dict(view.states) for number, view in evidence.views.items()}
    built = evidence.changelog()
    words = _differences(
        "the view", shown, "the changelog", {n: g.states for n, g in built.items()}
    )
    for number, view in sorted(evidence.views.items()):
        claimed = built[number].position if number in built else Position()
        if claimed != view.position:
            words.append(f"partition {number}: {claimed} in the changelog, {view.position} in view")
    return words + stands_where_it_says(evidence, right.refused)


def stands_where_it_says(evidence: Evidence, refused: Mapping[tuple[int, int], str]) -> list[str]:
    """I5: a position names the newest record that was folded, and counts what was refused."""
    words = []
    for number, records in sorted(evidence.input().items()):
        found = evidence.views[number].position if number in evidence.views else Position()
        folded = [each for each in records if each.offset < found.offsets.get(evidence.source, 0)]
        if not folded:
            continue
        last = folded[-1]
        marks = {evidence.source: mark_of(last.offset, last.key, last.value)}
        first = last.offset // STRETCH * STRETCH
        letters = sum((number, at) in refused for at in range(first, last.offset + 1))
        if (found.marks, found.letters) != (marks, letters):
            words.append(f"partition {number}: {found}, the fold {marks} and {letters} refused")
    return words


States = Mapping[int, Mapping[bytes, bytes]]


def _differences(one: str, ones: States, other: str, others: States) -> list[str]:
    words = []
    for number in sorted(ones.keys() | others.keys()):
        a, b = ones.get(number, {}), others.get(number, {})
        for key in sorted(a.keys() | b.keys()):
            if a.get(key) != b.get(key):
                has = "differs" if key in a and key in b else "is missing"
                words.append(f"{key.decode()} of partition {number} {has}: {one} and {other}")
    return words


def settled(evidence: Evidence, *, view: bool = True) -> list[str]:
    """I6: group, view and input end at the same offset, and no transaction is open."""
    words = [f"{count} offsets of {place} are in doubt" for place, count in evidence.open.items()]
    for number, end in sorted(evidence.ends.items()):
        at = evidence.committed.get(number, 0)
        if at != end:
            words.append(f"the group is at {at} of partition {number}, the input ends at {end}")
        shown = evidence.views[number].offset if view and number in evidence.views else end
        if shown != end:
            words.append(f"the view is at {shown} of partition {number}, the input ends at {end}")
    return words


def in_order(right: Sequence[Row], found: Sequence[Row]) -> list[str]:
    """I7: the rows of a series come in the order of the fold; none goes back."""
    place = {each: number for number, each in enumerate(_numbered(right))}
    newest_of: dict[tuple[str, str], int] = {}
    words = []
    for row, each in zip(found, _numbered(found), strict=True):
        series, at = (row.topic, row.series), place.get(each, -1)
        if 0 <= at < newest_of.get(series, -1):
            words.append(f"{_name(row)} comes after what it precedes")
        newest_of[series] = max(at, newest_of.get(series, -1))
    return words


def alarms_in_order(right: Golden, found: Golden) -> list[str]:
    """I7: the alarms of a block, of whatever rule, come in the order of the fold."""
    return [
        f"the alarms of {key.decode()} come in another order"
        for key, alarms in found.alarms.items()
        if alarms != right.alarms.get(key) and sorted(alarms) == sorted(right.alarms.get(key, []))
    ]


def revisions_rise(found: Sequence[Row]) -> list[str]:
    """I7: of a window or day no earlier revision comes behind a later one."""
    newest_of: dict[str, int] = {}
    words = []
    for row in found:
        if row.revision < newest_of.get(row.subject, 0):
            words.append(f"{_name(row)} comes after revision {newest_of[row.subject]}")
        newest_of[row.subject] = row.revision if row.subject else 0
    return words


def positions_in_order(evidence: Evidence) -> list[str]:
    """I7: the changelog never goes back to an earlier source offset."""
    newest_of: dict[int, int] = {}
    words = []
    for record in evidence.of(contract.STATE):
        if record.key != POSITION_KEY or record.value is None:
            continue
        offset = decode_position(record.value, 0).offsets.get(evidence.source, 0)
        if offset < newest_of.get(record.partition, 0):
            words.append(f"the changelog of partition {record.partition} goes back to {offset}")
        newest_of[record.partition] = offset
    return words


def _numbered(rows: Iterable[Row]) -> Iterator[tuple[str, int]]:
    """Names of rows, with how often the name came before."""
    seen: Counter[str] = Counter()
    for row in rows:
        yield _name(row), seen[_name(row)]
        seen[_name(row)] += 1


def alive(pause_s: float, bound_s: float) -> list[str]:
    """I9: processing never stands still for longer than the bound."""
    if pause_s <= bound_s:
        return []
    return [f"a partition stood still for {pause_s:.1f} s, the bound is {bound_s:.0f} s"]


def _name(row: Row) -> str:
    return f"{row.topic} {row.series} {row.id}"
