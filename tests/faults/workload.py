"""Telemetry of a small station with everything in it that makes a result."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, TypeVar

import numpy as np

from stream_app.codec.packed import MAGIC
from stream_app.codec.telemetry import decode, encode
from stream_app.core.calendar import calendar
from stream_app.core.energy import Floats
from stream_app.core.messages import (
    Configure,
    CorrectionBegin,
    CorrectionEnd,
    EndOfData,
    Heartbeat,
    Message,
    PowerSamples,
)
from stream_app.core.topology import PowerBlock, Rules
from stream_app.families import family_of
from tests.faults import batteries
from tests.faults.golden import SLICE

Record = tuple[bytes | None, bytes | None]
T = TypeVar("T")

START_MS = 1_735_682_400_000  # 2025-01-01T09:00+11:00
INTERVAL_MS = 900_000
HORIZON_MS = 24 * 4 * INTERVAL_MS
LATENESS = 3
"""Intervals by which a sample may come late."""
RULES = Rules(
    interval_ms=INTERVAL_MS,
    max_gap_ms=3 * INTERVAL_MS,
    lateness_ms=LATENESS * INTERVAL_MS,
    correction_ms=HORIZON_MS,
    skew_ms=8 * INTERVAL_MS,
    stale_ms=5 * INTERVAL_MS,
    frozen_ms=12 * INTERVAL_MS,
    rating_w=2.5e6,
)
DAY = 24 * 4
"""Intervals of a local day."""
BEGINS = 75
"""Interval of every other day at which the day before is brought in again: it is over for sure."""
SAMPLES = (*(b'{"kind":"%s",' % kind for kind in (b"power", b"cells", b"system", b"meter")), MAGIC)
"""How records of samples begin."""
PART = 6
"""Samples of a correction in a record."""


@dataclass(frozen=True)
class Workload:
    """Records to send, in order, and those among them that are no telemetry."""

    records: list[Record]
    poison: frozenset[Record] = frozenset()


def station(
    blocks: int,
    samples: int,
    seed: int,
    *,
    first: int = 0,
    strays: bool = True,
    corrections: bool = True,
    storage: bool = False,
    rules: Rules = RULES,
) -> Workload:
    """A station: topology, then a record for each block and time, then the end of the data.

    ``strays`` are samples that come too late, too late but into a hole, or from the future;
    ``corrections`` bring the day before in again while telemetry goes on, every other day;
    ``storage`` is a battery system and a meter, which send as much as a block each.
    """
    random = np.random.default_rng(seed)
    sources = [
        Source(_block(number, rules), samples, random, strays, corrections)
        for number in range(first, first + blocks)
    ]
    queues = [list(source.records()) for source in sources]
    if storage:
        queues += [list(each(samples, random)) for each in (batteries.battery, batteries.meter)]
    return Workload(list(_in_turns(queues)))


def skewed(samples: int, seed: int) -> Workload:
    """Three blocks, one of which sends eight times as much, on four partitions: one is silent."""
    hot, *others = (
        station(1, count, seed + number, first=number)
        for number, count in enumerate((8 * samples, samples, samples))
    )
    queues = [[hot.records[n : n + 8] for n in range(0, len(hot.records), 8)]]
    queues += [[[record] for record in each.records] for each in others]
    return Workload([record for turn in _in_turns(queues) for record in turn])


def with_poison(workload: Workload, share: float, seed: int) -> Workload:
    """The same with that share of records before which something stands that cannot be read."""
    random = Random(seed)
    records: list[Record] = []
    poison: set[Record] = set()
    for key, value in workload.records:
        if key is not None and random.random() < share:
            bad = _poison(random.randrange(len(POISON)), len(poison), key)
            poison.add(bad)
            records.append(bad)
        records.append((key, value))
    return Workload(records, frozenset(poison))


def shuffled(workload: Workload, seed: int, doubled: float = 0.05) -> Workload:
    """The same in another order of arrival within the lateness, and some records twice.

    Batteries and meters allow no lateness: theirs stay in order.
    """
    random = Random(seed)
    blocks = len({key for key, _ in workload.records})
    places = []
    for place, record in enumerate(workload.records):
        movable, rows = _is_sample(record), _is_storage(record)
        late = random.uniform(0, (LATENESS - 1) * blocks) if movable and not rows else 0.0
        last = b"end_of_data" in (record[1] or b"") and not rows and len(workload.records)
        places.append((place + late + last, place, record))
        if movable and random.random() < doubled:
            places.append((place + late + random.uniform(0, blocks / 2), place, record))
    return Workload([record for *_, record in sorted(places, key=lambda each: each[:2])])


def _is_sample(record: Record) -> bool:
    value = record[1] or b""
    return value.startswith(SAMPLES) and b'"correction"' not in value


def _is_storage(record: Record) -> bool:
    return (record[0] or b"").count(b"/") > 1


def knowing_refusals(workload: Workload) -> Workload:
    """The same, where what an undisturbed fold refuses counts as planted.

    Shuffled, a correction may come before the days are over that it replaces.
    """
    states: dict[str, Any] = {}
    refused = set(workload.poison)
    for first in range(0, len(workload.records), SLICE):
        part = workload.records[first : first + SLICE]
        for key, inbox in decode(part).inboxes.items():
            family = family_of(key)
            state = states[key] = states.get(key) or family.load(lambda _: None)
            for each in family.fold(state, inbox.messages).refusals:
                refused.update(part[place] for place in inbox.places[each.index])
    return replace(workload, poison=frozenset(refused))


def _block(number: int, rules: Rules) -> PowerBlock:
    inputs = {
        "DC1": {f"{number}E1": 0.5, f"{number}E2": 0.5},
        "DC2": {f"{number}E3": 0.6, f"{number}E4": 0.4},
    }
    # Every other block folds late samples that fall into a hole.
    rules = replace(rules, correction_ms=rules.correction_ms if number % 2 else 0)
    return PowerBlock("rig", f"INV{number}", "Australia/Sydney", inputs, rules)


class Source:
    """What one block sends."""

    def __init__(
        self,
        block: PowerBlock,
        samples: int,
        random: np.random.Generator,
        strays: bool,
        corrections: bool,
    ) -> None:
        self._block, self._strays, self._corrections = block, strays, corrections
        self._times = START_MS + INTERVAL_MS * np.arange(samples, dtype=np.int64)
        self._power = {
            name: _power(samples, 20 + 40 * number, random)
            for number, name in enumerate(block.inputs)
        }

    def records(self) -> Iterator[Record]:
        """All of it, in the order in which it is sent."""
        for message in self._messages():
            yield self._block.key.encode(), encode(message)

    def _messages(self) -> Iterator[Message]:
        yield Configure(self._block)
        for place in range(self._times.size):
            if not (self._strays and _withheld(place)):
                yield self._sample(place)
            if self._strays:
                yield from self._stray(place)
            if place % 61 == 30:
                yield Heartbeat(int(self._times[place]) + INTERVAL_MS // 2)
            if self._corrections:
                yield from self._correction(place)
        yield EndOfData(int(self._times[-1]) + INTERVAL_MS)

    def _sample(self, place: int, ahead_ms: int = 0) -> PowerSamples:
        part = slice(place, place + 1)
        power = {name: values[part] for name, values in self._power.items()}
        return PowerSamples(self._times[part] + ahead_ms, power)

    def _stray(self, place: int) -> Iterator[Message]:
        late = place - 3 * LATENESS
        if place % 97 == 50 or (late > 0 and _withheld(late)):
            yield self._sample(late)
        if place % 89 == 40:
            yield self._sample(place, ahead_ms=30 * INTERVAL_MS)

    def _correction(self, place: int) -> Iterator[Message]:
        """The part of a correction of the day before that is sent after the sample of a place."""
        turn, step = divmod(place - BEGINS, 2 * DAY)
        if turn < 0 or step > DAY // PART + 1:
            return
        days = calendar(self._block.zone)
        today = int(days.edges("1d", *2 * [int(self._times[place - step])])[0])
        name, since = f"correction-{turn}", int(days.edges("1d", today - 1, today - 1)[0])
        if step == 0:
            yield CorrectionBegin(name, since, today)
        elif step <= DAY // PART:
            times = since + INTERVAL_MS * np.arange((step - 1) * PART, step * PART, dtype=np.int64)
            power = {each: np.round(1e5 * np.sin(times / 1e7), 1) for each in self._power}
            yield PowerSamples(times, power, name)
        else:
            yield CorrectionEnd(name)


def _withheld(place: int) -> bool:
    """Samples that come much later: two of fifty-three."""
    return place % 53 in {20, 21}


def _power(samples: int, silent_at: int, random: np.random.Generator) -> Floats:
    power = np.round(random.normal(0, 1e6, samples), 1)
    for first in range(silent_at, samples, 110):
        power[first : first + 8] = np.nan
    for first in range(60, samples, 150):
        power[first : first + 15] = 5e5
    return power


def _in_turns(queues: Sequence[Sequence[T]]) -> Iterator[T]:
    for turn in range(max(map(len, queues))):
        for queue in queues:
            if turn < len(queue):
                yield queue[turn]


def _json(text: str) -> bytes:
    return f'{{"kind":"power","v":1,{text}}}'.encode()


Spoil = Callable[[bytes, int], Record]


def _wrong(make: Callable[[int], Record]) -> Spoil:
    return lambda _, number: make(number)


POISON: Mapping[str, Spoil] = {
    "no JSON": lambda key, n: (key, b"\xff\xfe %d" % n),
    "cut off": lambda key, n: (key, _json(f'"t":[{n}],"dc_power_w"')[:-1]),
    "of another version": lambda key, n: (key, b'{"kind":"power","v":2,"t":[%d]}' % n),
    "of an unknown kind": lambda key, n: (key, b'{"kind":"soc","v":1,"t":[%d]}' % n),
    "with a field too many": lambda key, n: (key, _json(f'"t":[],"dc_power_w":{{}},"x":{n}')),
    "with text for a number": lambda key, n: (key, _json(_one(f'"{n}"'))),
    "of unequal lengths": lambda key, n: (key, _json(_one(f"1.0,{n}"))),
    "not a number": lambda key, n: (key, _json(_one("NaN") + f',"x":{n}')),
    "enormous": lambda key, n: (key, _json(_one(f"{n}1e30"))),
    "of an unknown input": lambda key, n: (key, _json(_one("1.0").replace("DC1", f"X{n}"))),
    "of an unknown block": lambda _, n: (b"rig/nowhere%d" % n, _json(_one("1.0"))),
    "with a key that is no text": lambda _, n: (b"\xff%d" % n, _json(_one("1.0"))),
    "deep": lambda key, n: (key, _json(f'"t":[{n}],"dc_power_w":' + "[" * 5000)),
    "large": lambda key, n: (key, _json(_one(f'"{n}{"x" * 200_000}"'))),
    "without a key": lambda _, n: (None, _json(_one("1.0")) + b" " * n),
    "without a value": lambda _, n: (b"rig/nothing%d" % n, None),
    **{name: _wrong(make) for name, make in batteries.WRONG.items()},
}
"""What is sent in the place of telemetry, each made different by a number."""


def _one(power: str) -> str:
    return f'"t":[{START_MS}],"dc_power_w":{{"DC1":[{power}]}}'


def _poison(kind: int, number: int, key: bytes) -> Record:
    return list(POISON.values())[kind](key, number)
