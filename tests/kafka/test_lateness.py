"""Late, shuffled and doubled samples through real workers leave what ordered ones leave."""

from collections.abc import Iterable
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from schemas.results import RollupRecord, TooLateRecord
from schemas.topics import ROLLUPS, TOO_LATE
from stream_app.codec.results import encode_outputs
from stream_app.codec.telemetry import encode
from stream_app.core.messages import Configure, Message, PowerSamples
from stream_app.pipeline import BlockState, fold
from tests.kafka.results import Results, expected, streamed
from tests.kafka.support import MINUTE_MS, Deployment, station

pytestmark = pytest.mark.kafka

LATENESS_MIN = 20
HOUR_MS = 60 * MINUTE_MS
COLUMNS = (
    "end",
    "charged_w_ms",
    "discharged_w_ms",
    "net_w_ms",
    "error_bound_w_ms",
    "coverage",
    "samples",
)
"""Of a rollup, what late samples correct; with the gaps."""
Windows = dict[tuple[str, str, int], dict[str, object]]


def tolerant(messages: dict[str, list[Message]], **rules: int) -> dict[str, list[Message]]:
    """The station with other rules."""
    found: dict[str, list[Message]] = {}
    for key, (topology, *rest) in messages.items():
        assert isinstance(topology, Configure)
        block = topology.block
        changed = replace(block, rules=replace(block.rules, **rules))
        found[key] = [Configure(changed), *rest]
    return found


def rows(message: Message) -> list[PowerSamples]:
    assert isinstance(message, PowerSamples)
    return [
        PowerSamples(
            message.times[at : at + 1],
            {name: power[at : at + 1] for name, power in message.power_w.items()},
        )
        for at in range(message.times.size)
    ]


def sent(key: str, messages: Iterable[Message]) -> list[tuple[bytes, bytes]]:
    return [(key.encode(), encode(message)) for message in messages]


def energy(results: Results) -> tuple[list[bytes], list[bytes]]:
    """Windows and days; STALE_DATA is about the order of arrival."""
    return results["windows"], results["days"]


async def test_shuffled_within_the_lateness_with_doubles_gives_the_same_rollups(
    deployment: Deployment,
) -> None:
    messages = tolerant(station(4, 400), lateness_ms=LATENESS_MIN * MINUTE_MS)
    random = np.random.default_rng(7)
    records: list[tuple[bytes, bytes]] = []
    for key, (topology, samples, end) in messages.items():
        each = rows(samples)
        doubled = each + [each[at] for at in random.choice(len(each), len(each) // 20)]
        delays = random.integers(0, LATENESS_MIN - 1, len(doubled)) * MINUTE_MS
        order = np.argsort([int(d.times[0]) + w for d, w in zip(doubled, delays, strict=True)])
        records += sent(key, [topology, *(doubled[at] for at in order), end])

    await deployment.produce(records)
    with deployment.worker():
        await deployment.wait_until_done()

    assert energy(await streamed(deployment)) == energy(expected(messages))
    assert await deployment.read(TOO_LATE) == []


async def test_what_fills_holes_later_revises_the_windows_to_those_of_ordered_samples(
    deployment: Deployment,
) -> None:
    messages = tolerant(station(3, 600), correction_ms=48 * HOUR_MS)
    records: list[tuple[bytes, bytes]] = []
    for key, (topology, samples, end) in messages.items():
        each = rows(samples)
        held = [*range(50, 60), 120, *range(300, 330)]
        early = [row for at, row in enumerate(each) if at not in held]
        late = [each[at] for at in held]
        stray = PowerSamples(each[5].times, {"1": np.array([7.0])})
        records += sent(key, [topology, *early[:450], *late, stray, *early[450:], end])

    await deployment.produce(records)
    with deployment.worker():
        await deployment.wait_until_done()

    published = [
        record.value for topic in ROLLUPS.values() for record in await deployment.read(topic)
    ]
    revised = [value for value in published if b'"reason":"late_data"' in value]
    refused = [
        msgspec.json.decode(r.value, type=TooLateRecord) for r in await deployment.read(TOO_LATE)
    ]
    assert len(revised) >= 3 * len(ROLLUPS)
    assert [(each.reason, each.dc_power_w) for each in refused] == [("no_gap", [7.0])] * 3
    assert highest(published) == highest(ordered(messages))


def ordered(messages: dict[str, list[Message]]) -> list[bytes]:
    """Rollups of the samples in order, without Kafka."""
    return [
        output.value
        for each in messages.values()
        for output in encode_outputs(fold(BlockState(), each))
        if output.topic in ROLLUPS.values()
    ]


def highest(values: Iterable[bytes]) -> Windows:
    """Sums of the highest revision of each window of each enclosure."""
    found: dict[tuple[str, str, int], tuple[int, dict[str, object]]] = {}
    for value in values:
        record = msgspec.json.decode(value, type=RollupRecord)
        for at, start in enumerate(record.start):
            sums = {name: getattr(record, name)[at] for name in COLUMNS}
            sums["gaps"] = record.quality.gaps[at] if record.quality.gaps else 0
            for enclosure in record.enclosures:
                key = record.id, enclosure, start
                if record.revision[at] > found.get(key, (0, {}))[0]:
                    found[key] = record.revision[at], sums
    return {key: sums for key, (_, sums) in found.items()}
