"""What the engine relies on in private parts of Faust and aiokafka.

Each row fails when upstream renames, removes or reshapes something that an override stands on.
"""

import inspect
import sys
from collections.abc import Callable
from importlib.metadata import entry_points, version
from typing import Any

import aiokafka
import pytest
from aiokafka.codec import zstd_encode
from aiokafka.consumer.fetcher import Fetcher as AiokafkaFetcher
from aiokafka.producer.sender import Sender
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from faust.app.base import App as FaustApp
from faust.tables.manager import TableManager as FaustTableManager
from faust.tables.recovery import Recovery as FaustRecovery
from faust.tables.table import Table as FaustTable
from faust.transport import consumer as faust_consumer
from faust.transport.conductor import Conductor
from faust.transport.drivers import aiokafka as driver
from faust.types import ConsumerMessage
from mode.worker import Worker as FaustWorker

from stream_app.engine.publisher import pack_lightly
from stream_app.engine.recovery import Recovery, TableManager
from stream_app.engine.store import Store
from stream_app.engine.table import Table
from stream_app.engine.transport import ChunkConsumer, ConsumerThread, Transport


def test_the_pinned_faust_is_the_one_that_was_read() -> None:
    assert version("faust-streaming") == "0.15.3"


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (Sender._do_txn_commit, ["self", "commit_result"]),
        (TransactionManager.needs_transaction_commit, ["self"]),
        (TransactionManager.error_transaction, ["self", "exc"]),
        (driver.Consumer._drain_messages, ["self", "fetcher"]),
        (driver.Consumer._new_offset, ["self", "tp"]),
        (driver.Consumer._getmany, ["self", "active_partitions", "timeout"]),
        (driver.Consumer._get_active_partitions, ["self"]),
        (driver.Consumer._new_consumer_thread, ["self"]),
        (driver.Consumer.verify_all_partitions_active, ["self"]),
        (driver.Consumer.seek, ["self", "partition", "offset"]),
        (driver.Consumer.resume_partitions, ["self", "tps"]),
        (driver.Consumer.resume_flow, ["self"]),
        (driver.Consumer.earliest_offsets, ["self", "partitions"]),
        (driver.AIOKafkaConsumerThread.commit, ["self", "offsets"]),
        (driver.AIOKafkaConsumerThread._create_worker_consumer, ["self", "transport"]),
        (FaustRecovery._set_recovery_ended, ["self"]),
        (FaustTable.on_key_set, ["self", "key", "value"]),
        (FaustTable.on_key_del, ["self", "key"]),
        (FaustApp._create_directories, ["self"]),
        (FaustApp._on_partitions_revoked, ["self", "revoked"]),
        (FaustTableManager.on_actives_ready, ["self"]),
        (FaustTableManager._update_channels, ["self"]),
        (FaustWorker._sentinel_task, ["self"]),
        (FaustTableManager.on_standbys_ready, ["self"]),
    ],
)
def test_an_overridden_or_called_method_has_the_parameters_we_use(
    function: Callable[..., Any], parameters: list[str]
) -> None:
    assert list(inspect.signature(function).parameters) == parameters


@pytest.mark.parametrize(
    ("ours", "theirs", "names"),
    [
        (
            ChunkConsumer,
            driver.Consumer,
            ["_drain_messages", "_new_offset", "_new_consumer_thread"],
        ),
        (
            ConsumerThread,
            driver.AIOKafkaConsumerThread,
            ["_create_worker_consumer", "on_thread_stop"],
        ),
        (Recovery, FaustRecovery, ["_restart_recovery"]),
        (TableManager, FaustTableManager, ["recovery", "on_start", "on_stop"]),
        (Table, FaustTable, ["on_key_set", "on_key_del"]),
    ],
)
def test_what_we_override_still_exists_upstream(ours: type, theirs: type, names: list[str]) -> None:
    for name in names:
        assert name in vars(ours)
        assert hasattr(theirs, name)


def test_faust_drains_through_the_method_that_we_replace() -> None:
    assert "consumer._drain_messages(self)" in inspect.getsource(faust_consumer.Fetcher)


def test_what_faust_subscribes_to_first_is_complete_when_the_tables_are_registered() -> None:
    source = inspect.getsource(Conductor._subscriber.fun)

    waits, subscribes = source.index("wait_until_tables_registered"), source.index(".subscribe(")
    assert waits < subscribes
    assert "self._tables_registered.set()" in inspect.getsource(FaustTableManager._update_channels)


def test_nothing_but_a_wait_is_left_out_of_start_and_end() -> None:
    start = inspect.getsource(FaustTableManager.on_start).split('"""')[2]
    assert [line.strip() for line in start.strip().splitlines()] == [
        "await self.sleep(1.0)",
        "if not self.should_stop:",
        "await self._update_channels()",
        "await self.recovery.start()",
    ]
    assert inspect.getsource(FaustWorker._sentinel_task).splitlines()[1:] == [
        "        await asyncio.sleep(1.0)"
    ]


def test_faust_asks_new_offset_before_it_commits_anything() -> None:
    source = inspect.getsource(faust_consumer.Consumer._filter_committable_offsets)

    assert "self._new_offset(tp)" in source


@pytest.mark.parametrize("name", ["_isolation_level", "_fetch_max_wait_ms"])
def test_aiokafka_reads_the_attribute_we_set_when_it_starts(name: str) -> None:
    assert f"self.{name}" in inspect.getsource(aiokafka.AIOKafkaConsumer.start)


def test_aiokafka_packs_at_the_level_that_we_set(monkeypatch: pytest.MonkeyPatch) -> None:
    packing = sys.modules[DefaultRecordBatchBuilder.__module__]
    monkeypatch.setattr(packing, "zstd_encode", zstd_encode)  # is put back at the end
    value = b",".join(b"%d" % (n * n) for n in range(10_000))

    def packed() -> bytes:
        builder = DefaultRecordBatchBuilder(2, 4, False, -1, -1, 0, 1 << 20)
        builder.append(0, 0, b"", value, [])
        return bytes(builder.build())

    before = packed()
    pack_lightly()

    assert packed() != before
    assert [each.value for each in MemoryRecords(packed()).next_batch()] == [value]


def test_records_of_a_transaction_never_expire_while_the_broker_is_away() -> None:
    """A restart of Kafka is waited out rather than ended in doubt."""
    source = inspect.getsource(aiokafka.producer.sender)

    assert "if self._sender._txn_manager is None and batch.expired()" in source


def test_aiokafka_takes_no_partitions_for_all_of_them() -> None:
    assert "if partitions and tp not in partitions" in inspect.getsource(
        AiokafkaFetcher.fetched_records
    )


def test_a_chunk_fits_the_message_that_faust_hands_on() -> None:
    first = list(inspect.signature(ConsumerMessage).parameters)[:12]

    assert first == [
        "topic",
        "partition",
        "offset",
        "timestamp",
        "timestamp_type",
        "headers",
        "key",
        "value",
        "checksum",
        "serialized_key_size",
        "serialized_value_size",
        "tp",
    ]


def test_a_message_of_another_generation_is_dropped_by_the_stream() -> None:
    from faust import streams

    assert "message.generation_id != self.app.consumer_generation_id" in inspect.getsource(streams)


@pytest.mark.parametrize(
    ("group", "scheme", "ours"),
    [("faust.transports", "chunks", Transport), ("faust.stores", "redis", Store)],
)
def test_transport_and_store_are_found_by_their_url_scheme(
    group: str, scheme: str, ours: type
) -> None:
    (found,) = entry_points(group=group, name=scheme)

    assert found.load() is ours
