"""Results of batteries and meters in a form that does not depend on how records were framed."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from schemas.results_battery import CellWindowsRecord
from schemas.topics import (
    ALARMS,
    CELLS,
    CRITICAL_CELLS,
    FINDINGS,
    HEALTH_DAILY,
    METER_DAILY,
    TOO_LATE,
)
from stream_app.codec.results import Output
from tests.kafka.support import Deployment

WHOLE = (CRITICAL_CELLS, HEALTH_DAILY, METER_DAILY, FINDINGS, ALARMS)
"""Topics of which a record says one thing, whatever came with it."""

Results = dict[tuple[str, bytes], list[bytes]]
"""Topic and key -> what came under them, in order."""


async def streamed(deployment: Deployment) -> Results:
    """Results that the workers published."""
    topics = (*CELLS.values(), *WHOLE, TOO_LATE)
    found = {topic.suffix: await deployment.read(topic) for topic in topics}
    return canonical(
        (name, each.key, each.value) for name, every in found.items() for each in every
    )


def of_outputs(outputs: Iterable[Output]) -> Results:
    """Results of a fold in this process."""
    return canonical((each.topic.suffix, each.key, each.value) for each in outputs)


def canonical(values: Iterable[tuple[str, bytes, bytes]]) -> Results:
    """Windows one by one, times of late rows one by one, all other records as they are."""
    found: Results = {}
    cells = {topic.suffix for topic in CELLS.values()}
    for name, key, value in values:
        if name in cells:
            parts = list(_windows(value))
        elif name == TOO_LATE.suffix:
            parts = list(_late(value))
        else:
            parts = [value]
        found.setdefault((name, key), []).extend(parts)
    return found


def _windows(value: bytes) -> Iterator[bytes]:
    record = msgspec.json.decode(value, type=CellWindowsRecord)
    plain = msgspec.structs.asdict(record)
    columns = {name: each for name, each in plain.items() if isinstance(each, list)}
    for place in range(len(record.start)):
        yield _encode(plain | {name: each[place] for name, each in columns.items()})


def _late(value: bytes) -> Iterator[bytes]:
    plain: dict[str, Any] = msgspec.json.decode(value)
    for time in plain["t"]:
        yield _encode(plain | {"t": time})


def _encode(value: object) -> bytes:
    return msgspec.json.encode(value, order="sorted")
