"""Faust store on the Redis view, registered as ``redis://`` by entry point."""

from collections.abc import Iterator
from typing import Any

from faust.stores import base
from faust.types import TP

from stream_app.engine.table import current_unit, state_key


class Store(base.SerializedStore):  # type: ignore[misc]
    """Reads and writes the cached state of the chunk in work; its commit makes the change last."""

    def read(self, key: bytes) -> bytes | None:
        """The value of a key for the chunk in work, None where there is none."""
        unit, full = current_unit.get(), state_key(self.table_name, key)
        return unit.dirty.get(full, unit.partition.states.get(full))

    def _get(self, key: bytes) -> bytes | None:
        return self.read(key)

    def _set(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            raise ValueError("states are replaced, never deleted")
        current_unit.get().dirty[state_key(self.table_name, key)] = value

    def _del(self, key: bytes) -> None:
        raise NotImplementedError("states are replaced, never deleted")

    def _iteritems(self) -> Iterator[tuple[bytes, bytes]]:
        start = state_key(self.table_name, b"")
        unit = current_unit.get()
        for full, value in {**unit.partition.states, **unit.dirty}.items():
            if full.startswith(start):
                yield full[len(start) :], value

    def _iterkeys(self) -> Iterator[bytes]:
        return (key for key, _ in self._iteritems())

    def _itervalues(self) -> Iterator[bytes]:
        return (value for _, value in self._iteritems())

    def _size(self) -> int:
        return sum(1 for _ in self._iteritems())

    def _contains(self, key: bytes) -> bool:
        return self._get(key) is not None

    def _clear(self) -> None:
        raise NotImplementedError("a partition is cleared by its recovery")

    def persisted_offset(self, tp: TP) -> int | None:  # noqa: ARG002
        """Nothing: Faust's own recovery does not run, ours asks the view."""
        return None

    def reset_state(self) -> None:
        """Nothing is kept outside the view."""

    async def backup_partition(self, tp: TP | int, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("the changelog is the backup")

    def restore_backup(self, tp: TP | int, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("the changelog is the backup")
