"""Clean blocks, and between their records mutated ones of blocks that nobody settles money on."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice, zip_longest

import numpy as np

from stream_app.codec.telemetry import Record, encode
from stream_app.core.messages import Configure, EndOfData, Heartbeat, Message, PowerSamples
from tests.fuzz.mutate import Mutator
from tests.kafka.support import MINUTE_MS, START_MS, records, station

CLEAN = b"test/"
VICTIMS = 20
EDGE = 40
"""A clean record comes after so many mutated ones."""


def clean(mutated: int) -> dict[str, list[Message]]:
    """Messages of blocks whose results must be exact."""
    return station(blocks=4, minutes=max(60, min(2000, mutated // (4 * EDGE))))


def workload(mutated: int, seed: int) -> list[Record]:
    """Records of the clean blocks in order, among ``mutated`` others."""
    good = iter(records(clean(mutated), 1))
    bad = _mutated(mutated, seed)
    share = 1 + mutated // (4 * 60) if mutated < 60 * 4 * EDGE else EDGE
    parts: Iterator[tuple[list[Record], Record | None]] = (
        (part, next(good, None)) for part in iter(lambda: list(islice(bad, share)), [])
    )
    mixed = chain.from_iterable((*part, *([one] if one else [])) for part, one in parts)
    return [*mixed, *good]


def _mutated(count: int, seed: int) -> Iterator[Record]:
    mutate = Mutator(seed)
    sources = [_victim(number, seed) for number in range(VICTIMS)]
    turns = islice(chain.from_iterable(zip_longest(*sources)), count + VICTIMS)
    for number, record in enumerate(turns):
        yield record if number < VICTIMS else mutate(record)


def _victim(number: int, seed: int) -> Iterator[Record]:
    """Records of one block without end: its topology again and again, power, control records."""
    random = np.random.default_rng((seed, number))
    (configure, *_) = next(iter(station(blocks=1, minutes=1).values()))
    assert isinstance(configure, Configure)
    block = replace(configure.block, site="fuzz", block=f"{number}PCS1")
    key, minute = block.key.encode(), 0
    yield key, encode(Configure(block))
    while True:
        size = int(random.choice((1, 1, 3, 12)))
        times = START_MS + MINUTE_MS * np.arange(minute, minute + size, dtype=np.int64)
        power = np.round(random.normal(0, 1e6, (2, size)), 1)
        yield key, encode(PowerSamples(times, dict(zip(block.inputs, power, strict=True))))
        minute += size
        control = (Configure(block), Heartbeat(int(times[-1])), EndOfData(int(times[-1])))
        if random.random() < 0.15:
            yield key, encode(control[random.integers(3)])
