"""What a table gives is the very object that was committed or written: kept states stand on it."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from stream_app.app import create_app
from stream_app.engine.partition import Partition
from stream_app.engine.table import Table, UnitOfWork, current_unit
from stream_app.metrics import LiveView, PipelineMetrics
from stream_app.settings import Settings

COMMITTED = b"a state of a block" * 10


@pytest.fixture(scope="module")
def table() -> Table:
    registry = CollectorRegistry()
    app = create_app(Settings(), PipelineMetrics(registry), LiveView(registry))
    found: Table = app.tables["energy"]
    return found


@pytest.fixture
def unit() -> Iterator[UnitOfWork]:
    """A chunk in work, of a partition that holds one state."""
    partition = SimpleNamespace(states={b"energy|site/1": COMMITTED})
    unit = UnitOfWork(cast("Partition", cast("Any", partition)))
    token = current_unit.set(unit)
    yield unit
    current_unit.reset(token)


def test_a_state_comes_back_as_the_object_that_is_committed(table: Table, unit: UnitOfWork) -> None:
    assert table.get(b"site/1") is COMMITTED
    assert table[b"site/1"] is COMMITTED
    assert table.get(b"site/2") is None
    assert unit.dirty == {}


def test_what_a_chunk_wrote_comes_back_as_the_object_that_its_commit_makes_last(
    table: Table, unit: UnitOfWork
) -> None:
    written = bytes(bytearray(COMMITTED))

    table[b"site/1"] = written

    assert table.get(b"site/1") is written
    assert unit.dirty[b"energy|site/1"] is written
    assert unit.partition.states[b"energy|site/1"] is COMMITTED
