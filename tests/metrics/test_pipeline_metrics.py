"""What the pipeline's metrics count."""

from dataclasses import replace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from stream_app.codec.telemetry import decode, encode
from stream_app.core.messages import Configure, PowerSamples
from stream_app.metrics import PipelineMetrics
from stream_app.metrics.reasons import OTHER, REASONS, reason_class
from stream_app.pipeline import BlockState, fold
from tests.fleet_station import MIDNIGHT_MS, block, busy

POWER = b'{"kind":"power","v":1,"t":[%s],"dc_power_w":{"DC1":[%s]}}'
TOPOLOGY = encode(Configure(block()))


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_chunks_add_up(registry: CollectorRegistry) -> None:
    busy(PipelineMetrics(registry), partitions=3)

    expected = {
        "bess_pipeline_records_total": 1500,
        "bess_pipeline_messages_total": 120,
        "bess_pipeline_samples_total": 3000,
        "bess_pipeline_late_samples_total": 6,
        "bess_pipeline_dead_letters_rate_limited_total": 3,
        "bess_pipeline_commits_total": 3,
        "bess_pipeline_batch_records_sum": 1500,
        "bess_pipeline_fold_seconds_count": 3,
        "bess_pipeline_commit_seconds_sum": pytest.approx(0.012),
        "bess_pipeline_state_flush_seconds_sum": pytest.approx(0.006),
        "bess_pipeline_recoveries_total": 3,
        "bess_pipeline_restored_keys_total": 21,
        "bess_pipeline_recovery_seconds_total": 1.5,
        "bess_pipeline_assigned_partitions": 3,
        "bess_pipeline_redis_up": 1,
    }
    assert {name: registry.get_sample_value(name) for name in expected} == expected


def test_event_time_delay_is_wall_clock_less_newest_event_time(registry: CollectorRegistry) -> None:
    busy(PipelineMetrics(registry, now=lambda: MIDNIGHT_MS / 1000 + 90), partitions=1)

    delay = registry.get_sample_value("bess_pipeline_event_time_delay_seconds", {"partition": "0"})
    assert delay == 90


def test_a_chunk_without_times_leaves_the_delay_alone(registry: CollectorRegistry) -> None:
    metrics = PipelineMetrics(registry)
    metrics.chunk_done(
        0,
        records=1,
        messages=0,
        samples=0,
        late=0,
        refused={"not_a_record": 1},
        rate_limited=0,
        fold_seconds=0.0,
        commit_seconds=0.0,
        flush_seconds=0.0,
        event_time_ms=None,
    )

    name = "bess_pipeline_event_time_delay_seconds"
    assert registry.get_sample_value(name, {"partition": "0"}) is None


def test_series_of_a_revoked_partition_end(registry: CollectorRegistry) -> None:
    metrics = PipelineMetrics(registry)
    busy(metrics, partitions=2)

    metrics.revoked(1)

    lag = "bess_pipeline_lag_records"
    assert registry.get_sample_value(lag, {"partition": "0"}) == 123
    assert registry.get_sample_value(lag, {"partition": "1"}) is None
    assert registry.get_sample_value("bess_pipeline_assigned_partitions") == 1
    assert registry.get_sample_value("bess_pipeline_revocations_total") == 1


def test_every_class_of_dead_letters_is_there_from_the_start(registry: CollectorRegistry) -> None:
    PipelineMetrics(registry)

    name = "bess_pipeline_dead_letters_total"
    assert {registry.get_sample_value(name, {"reason": reason}) for reason in REASONS} == {0}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (b"north/INV-1", b"", "not_a_record"),
        (b"north/INV-1", None, "not_a_record"),
        (b"north/INV-1", b"{", "not_a_record"),
        (b"north/INV-1", b"hello", "not_a_record"),
        (b"north/INV-1", b"\xff\xfe", "not_a_record"),
        (b"north/INV-1", b"[" * 5000, "not_a_record"),
        (b"north/INV-1", b'{"kind":"weather","v":1}', "not_a_record"),
        (b"north/INV-1", b'{"kind":"heartbeat","v":2,"t":1}', "wrong_version"),
        (b"north/INV-1", b'{"kind":"heartbeat","v":1}', "not_a_record"),
        (b"north/INV-1", b'{"kind":"heartbeat","v":1,"t":1,"x":1}', "not_a_record"),
        (b"\xff", POWER % (b"1717200000000", b"1"), "not_a_record"),
        (b"north/\n", POWER % (b"1717200000000", b"1"), "bad_name"),
        (b"n" * 2000, POWER % (b"1717200000000", b"1"), "too_large"),
        (b"north/INV-1", b" " * (5 << 20), "too_large"),
        (None, POWER % (b"1717200000000", b"1"), "no_key"),
        (b"north/INV-1", POWER % (b"", b""), "bad_shape"),
        (b"north/INV-1", POWER % (b"1717200000000", b"1,2"), "bad_shape"),
        (b"north/INV-1", b'{"kind":"power","v":1,"t":[1],"dc_power_w":{}}', "bad_shape"),
        (b"north/INV-1", POWER % (b"17", b"1"), "out_of_range"),
        (b"north/INV-1", POWER % (b"1717200000000", b"1e10"), "out_of_range"),
        (b"north/INV-1", POWER % (b"1717200000000", b"1e999"), "out_of_range"),
        (b"north/INV-1", POWER % (b"9" * 5000, b"1"), "out_of_range"),
        (b"north/INV-1", b'{"kind":"end_of_data","v":1,"t":1}', "out_of_range"),
        (b"south/INV-1", TOPOLOGY, "wrong_key"),
        (b"north/INV-1", TOPOLOGY.replace(b'"UTC"', b'"Mars/Base"'), "bad_topology"),
        (b"north/INV-1", TOPOLOGY.replace(b'"UTC"', b'"/etc/x"'), "bad_topology"),
        (b"north/INV-1", TOPOLOGY.replace(b":0.5", b":0.6", 1), "bad_topology"),
        (
            b"north/INV-1",
            TOPOLOGY.replace(b'"interval_s":900.0', b'"interval_s":0'),
            "bad_topology",
        ),
        (b"north/INV-1", TOPOLOGY.replace(b'"stale_s":2700.0', b'"stale_s":-1'), "bad_topology"),
    ],
)
def test_what_the_codec_refuses_has_a_class(
    key: bytes | None, value: bytes | None, expected: str
) -> None:
    ((_, reason),) = decode([(key, value)]).bad

    assert reason_class(reason) == expected


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], "no_topology"),
        ([Configure(block())], "unknown_input"),
    ],
)
def test_what_the_pipeline_refuses_has_a_class(messages: list[Configure], expected: str) -> None:
    stray = PowerSamples(np.array([MIDNIGHT_MS]), {"DC9": np.array([1.0])})

    (refusal,) = fold(BlockState(), [*messages, stray]).refusals

    assert reason_class(refusal.reason) == expected


def test_a_change_of_topology_that_is_refused_has_a_class() -> None:
    samples = {name: np.array([1.0, 1.0]) for name in block().inputs}
    counted = [Configure(block()), PowerSamples(MIDNIGHT_MS + np.array([0, 1000]), samples)]
    first, *_ = block().inputs
    (enclosure, *_) = block().inputs[first]
    moved = replace(block(), inputs={"new": {enclosure: 1.0}})
    other_zone = replace(block(), zone="Asia/Tokyo")

    refusals = fold(BlockState(), [*counted, Configure(moved), Configure(other_zone)]).refusals

    assert [reason_class(each.reason) for each in refusals] == ["bad_topology"] * 2


@pytest.mark.parametrize("reason", REASONS)
def test_a_class_is_its_own_class(reason: str) -> None:
    assert reason_class(reason) == reason


def test_an_unforeseen_reason_is_counted_as_other() -> None:
    assert reason_class("the moon is full") == OTHER
