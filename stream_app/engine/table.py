"""Faust table whose changes travel in the transaction of the chunk that made them."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import faust

from stream_app.engine.partition import Partition


@dataclass
class UnitOfWork:
    """The chunk that is being folded: where its state comes from, and what it has changed."""

    partition: Partition
    dirty: dict[bytes, bytes] = field(default_factory=dict)


current_unit: ContextVar[UnitOfWork] = ContextVar("current_unit")


class Table(faust.Table):  # type: ignore[misc]
    """Table that sends no changelog of its own: the commit of the chunk does.

    Keys and values are bytes. Reads and writes are for the partition of the chunk in work, whose
    states are all in memory: no read waits for Redis.
    """

    def get(self, key: bytes, default: Any = None) -> Any:
        """The state of a key, without Faust's sensors: they take ten times as long as reading."""
        found = self.data.read(key)
        return default if found is None else found

    def on_key_set(self, key: Any, value: Any) -> None:
        self._sensor_on_set(self, key, value)

    def on_key_del(self, key: Any) -> None:
        raise NotImplementedError("states are replaced, never deleted")


def state_key(table: str, key: bytes) -> bytes:
    """Key of a table's state in the changelog and the view, which tables of an app share."""
    return table.encode() + b"|" + key
