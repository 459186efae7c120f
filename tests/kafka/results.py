"""Results in a form that does not depend on how records were framed."""

from collections.abc import Iterable

import msgspec

from schemas.results import AlarmRecord, DailyRecord, RollupRecord
from schemas.topics import ALARMS, DAILY, ROLLUPS
from stream_app.codec.results import encode_outputs
from stream_app.core.messages import Message
from stream_app.pipeline import BlockState, fold
from tests.kafka.support import Deployment

COLUMNS = (
    "start",
    "end",
    "charged_w_ms",
    "discharged_w_ms",
    "net_w_ms",
    "error_bound_w_ms",
    "coverage",
    "samples",
    "revision",
)

Results = dict[str, list[bytes]]


def expected(messages: dict[str, list[Message]]) -> Results:
    """Results of the pipeline in this process, without Kafka."""
    values: dict[str, list[bytes]] = {}
    for each in messages.values():
        for output in encode_outputs(fold(BlockState(), each)):
            values.setdefault(output.topic.suffix, []).append(output.value)
    return canonical(values)


async def streamed(deployment: Deployment, site: str = "") -> Results:
    """Results that the workers published, of one site or all."""
    topics = [*ROLLUPS.values(), DAILY, ALARMS]
    start = f"{site}/".encode() if site else b""
    found = {t.suffix: await deployment.read(t) for t in topics}
    return canonical(
        {name: [r.value for r in every if r.key.startswith(start)] for name, every in found.items()}
    )


def canonical(values: dict[str, list[bytes]]) -> Results:
    """Values of records by topic, as windows, days and alarms."""
    rollups = [v for topic in ROLLUPS.values() for v in values.get(topic.suffix, [])]
    days = msgspec.json.Decoder(DailyRecord)
    alarms = msgspec.json.Decoder(AlarmRecord)
    return {
        "windows": sorted(window for value in rollups for window in _windows(value)),
        "days": sorted(_encode(days.decode(v)) for v in values.get(DAILY.suffix, [])),
        "alarms": sorted(_encode(alarms.decode(v)) for v in values.get(ALARMS.suffix, [])),
    }


def _windows(value: bytes) -> Iterable[bytes]:
    record = msgspec.json.decode(value, type=RollupRecord)
    columns = {name: getattr(record, name) for name in COLUMNS}
    quality = {k: v for k, v in msgspec.structs.asdict(record.quality).items() if v is not None}
    for place in range(len(record.start)):
        window = {name: column[place] for name, column in (columns | quality).items()}
        counted = {name: value for name, value in window.items() if value or name in columns}
        for enclosure in record.enclosures:
            yield _encode({"id": record.id, "e": enclosure, "final": record.final, **counted})


def _encode(value: object) -> bytes:
    return msgspec.json.encode(value, order="sorted")
