"""Results of batteries and meters in a form that does not depend on how records were framed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import msgspec

from schemas.results_battery import CellWindowsRecord, SignalWindowsRecord
from schemas.topics import (
    ALARMS,
    CELLS,
    CRITICAL_CELLS,
    FINDINGS,
    HEALTH_DAILY,
    METER_DAILY,
    SIGNALS,
    TOO_LATE,
)
from stream_app.codec.results import Output
from stream_app.reports.batteries import BatteryTables
from tests.kafka.support import Deployment

WHOLE = (CRITICAL_CELLS, HEALTH_DAILY, METER_DAILY, FINDINGS, ALARMS)
"""Topics of which a record says one thing, whatever came with it."""

Results = dict[tuple[str, bytes], list[bytes]]
"""Topic and key -> what came under them, in order."""


async def streamed(deployment: Deployment) -> list[Output]:
    """Results that the workers published."""
    topics = (*CELLS.values(), *SIGNALS.values(), *WHOLE, TOO_LATE)
    return [
        Output(topic, each.key, each.value, each.timestamp)
        for topic in topics
        for each in await deployment.read(topic)
    ]


def of_outputs(outputs: Iterable[Output]) -> Results:
    """Results of a fold in this process, or of one that is elsewhere."""
    return canonical((each.topic.suffix, each.key, each.value) for each in outputs)


def tables(outputs: Iterable[Output]) -> dict[str, str]:
    """Text of the files of ``bess process`` by name."""
    found = BatteryTables()
    for each in outputs:
        found.take(each)
    return {name: "".join(lines) for name, lines in found.files()}


def differences(found: Iterable[Output], expected: Iterable[Output]) -> list[str]:
    """Topics with keys, and files, that are not the same to the byte; few words of much data."""
    ours, theirs = list(found), list(expected)
    return [
        *_unequal(of_outputs(ours), of_outputs(theirs)),
        *_unequal(tables(ours), tables(theirs)),
    ]


def _unequal(
    found: Mapping[Any, Sequence[Any]], expected: Mapping[Any, Sequence[Any]]
) -> list[str]:
    told = []
    for name in sorted({*found, *expected}):
        ours, theirs = found.get(name, ()), expected.get(name, ())
        if ours != theirs:
            pairs = enumerate(zip_longest(ours, theirs))
            at, (one, other) = next((at, pair) for at, pair in pairs if pair[0] != pair[1])
            told.append(f"{name}: {len(ours)}, not {len(theirs)}; at {at} {one!r}, not {other!r}")
    return told


def canonical(values: Iterable[tuple[str, bytes, bytes]]) -> Results:
    """Windows one by one, times of late rows one by one, all other records as they are."""
    found: Results = {}
    cells = {topic.suffix for topic in CELLS.values()}
    signals = {topic.suffix for topic in SIGNALS.values()}
    for name, key, value in values:
        if name in cells:
            parts = list(_windows(value))
        elif name in signals:
            parts = list(_signals(value))
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


def _signals(value: bytes) -> Iterator[bytes]:
    """A record lists the signals that came in any of its windows."""
    record = msgspec.json.decode(value, type=SignalWindowsRecord)
    plain = msgspec.structs.asdict(record)
    of_window = {name: plain[name] for name in ("start", "end", "revision", "rows")}
    of_signal = [plain.pop(name) for name in ("samples", "refused", "lowest", "highest")]
    names = plain.pop("signals")
    for place in range(len(record.start)):
        columns = zip(names, *(each[place] for each in of_signal), strict=True)
        came = {name: each for name, *each in columns if each[0] or each[1]}
        yield _encode(
            plain | {name: each[place] for name, each in of_window.items()} | {"signals": came}
        )


def _late(value: bytes) -> Iterator[bytes]:
    plain: dict[str, Any] = msgspec.json.decode(value)
    for time in plain["t"]:
        yield _encode(plain | {"t": time})


def _encode(value: object) -> bytes:
    return msgspec.json.encode(value, order="sorted")
