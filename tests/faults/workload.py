"""Telemetry of a small station with everything in it that makes a result."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from stream_app.codec.telemetry import encode
from stream_app.core.energy import Floats
from stream_app.core.messages import Configure, EndOfData, Heartbeat, Message, PowerSamples
from stream_app.core.topology import PowerBlock, Rules

Record = tuple[bytes | None, bytes | None]

START_MS = 1_735_682_400_000  # 2025-01-01T09:00+11:00
INTERVAL_MS = 900_000
LATENESS = 3
"""Intervals by which a sample may come late."""
RULES = Rules(
    interval_ms=INTERVAL_MS,
    max_gap_ms=3 * INTERVAL_MS,
    lateness_ms=LATENESS * INTERVAL_MS,
    skew_ms=8 * INTERVAL_MS,
    stale_ms=5 * INTERVAL_MS,
    frozen_ms=12 * INTERVAL_MS,
    rating_w=2.5e6,
)
RATING_W = 2.5e6


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
    strays: bool = True,
    resolutions: tuple[str, ...] = RULES.resolutions,
) -> Workload:
    """A station: topology, then a record for each block and time, then the end of the data.

    ``strays`` are samples that come too late, or from the future.
    """
    random = np.random.default_rng(seed)
    queues = [
        list(_messages(_block(number, resolutions), samples, random, strays))
        for number in range(blocks)
    ]
    return Workload(list(_in_turns(queues)))


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
    """The same in another order of arrival within the lateness, and some records twice."""
    random = Random(seed)
    blocks = len({key for key, _ in workload.records})
    places = []
    for place, record in enumerate(workload.records):
        movable = record[1] is not None and b'"kind":"power"' in record[1]
        late = random.uniform(0, (LATENESS - 1) * blocks) if movable else 0.0
        last = b"end_of_data" in (record[1] or b"") and len(workload.records)
        places.append((place + late + last, place, record))
        if movable and random.random() < doubled:
            places.append((place + late + random.uniform(0, blocks / 2), place, record))
    return Workload([record for *_, record in sorted(places, key=lambda each: each[:2])])


def _block(number: int, resolutions: tuple[str, ...]) -> PowerBlock:
    inputs = {
        "DC1": {f"{number}E1": 0.5, f"{number}E2": 0.5},
        "DC2": {f"{number}E3": 0.6, f"{number}E4": 0.4},
    }
    rules = replace(RULES, resolutions=resolutions)
    return PowerBlock("rig", f"INV{number}", "Australia/Sydney", inputs, rules)


def _messages(
    block: PowerBlock, samples: int, random: np.random.Generator, strays: bool
) -> Iterator[Record]:
    key = block.key.encode()
    times = START_MS + INTERVAL_MS * np.arange(samples, dtype=np.int64)
    power = {
        name: _power(samples, 20 + 40 * number, random) for number, name in enumerate(block.inputs)
    }

    def record(message: Message) -> Record:
        return key, encode(message)

    def sample(place: int, ahead_ms: int = 0) -> Record:
        part = slice(place, place + 1)
        each = {name: values[part] for name, values in power.items()}
        return record(PowerSamples(times[part] + ahead_ms, each))

    yield record(Configure(block))
    for place in range(samples):
        yield sample(place)
        if strays and place % 97 == 50:
            yield sample(place - 3 * LATENESS)
        if strays and place % 89 == 40:
            yield sample(place, ahead_ms=30 * INTERVAL_MS)
        if place % 61 == 30:
            yield record(Heartbeat(int(times[place]) + INTERVAL_MS // 2))
    yield record(EndOfData(int(times[-1]) + INTERVAL_MS))


def _power(samples: int, silent_at: int, random: np.random.Generator) -> Floats:
    power = np.round(random.normal(0, 1e6, samples), 1)
    for first in range(silent_at, samples, 110):
        power[first : first + 8] = np.nan
    for first in range(60, samples, 150):
        power[first : first + 15] = 5e5
    return power


def _in_turns(queues: list[list[Record]]) -> Iterator[Record]:
    for turn in range(max(map(len, queues))):
        for queue in queues:
            if turn < len(queue):
                yield queue[turn]


def _json(text: str) -> bytes:
    return f'{{"kind":"power","v":1,{text}}}'.encode()


Spoil = Callable[[bytes, int], Record]

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
}
"""What is sent in the place of telemetry, each made different by a number."""


def _one(power: str) -> str:
    return f'"t":[{START_MS}],"dc_power_w":{{"DC1":[{power}]}}'


def _poison(kind: int, number: int, key: bytes) -> Record:
    return list(POISON.values())[kind](key, number)
