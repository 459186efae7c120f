"""A file with the states of all partitions, each at one position.

The file is a line that names it, a byte of format, MessagePack packed with zlib, and the SHA-256 of
all before it.
"""

import hashlib
import os
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from stream_app.engine.position import Mark, Position
from stream_app.engine.view import DamagedViewError, RedisView
from stream_app.upkeep.stores import Kept, UpkeepError

MAGIC = b"bess states\n"
FORMAT = 1
DIGEST_BYTES = 32


class Copy(msgspec.Struct, frozen=True):
    """One partition: where it stands in the changelog and in the sources, and its states.

    ``letters``, ``owner`` and ``marks`` as in :class:`Position`; earlier files have none.
    """

    number: int
    changelog: int
    offsets: dict[str, int]
    epoch: int
    states: dict[bytes, bytes]
    letters: int = 0
    owner: str = ""
    marks: dict[str, Mark] = {}

    @property
    def position(self) -> Position:
        return Position(
            self.changelog, self.offsets, self.epoch, self.letters, self.owner, self.marks
        )


class Backup(msgspec.Struct, frozen=True):
    """Partitions that had states; ``partitions`` is how many the deployment has, ``taken`` UTC."""

    app_id: str
    partitions: int
    taken: str
    copies: list[Copy]

    @property
    def states(self) -> int:
        return sum(len(copy.states) for copy in self.copies)


def pack(backup: Backup) -> bytes:
    """The bytes of a file."""
    body = MAGIC + bytes((FORMAT,)) + zlib.compress(msgspec.msgpack.encode(backup))
    return body + hashlib.sha256(body).digest()


def unpack(data: bytes) -> Backup:
    """What a file holds.

    Raises
    ------
    ValueError
        The bytes are not a backup, of a format that is not known, cut off or changed.
    """
    body, digest = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
    if not data.startswith(MAGIC):
        raise ValueError("is no backup of states")
    if data[len(MAGIC) : len(MAGIC) + 1] != bytes((FORMAT,)):
        raise ValueError(f"is of a format that this version cannot read; it reads {FORMAT}")
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("is cut off or was changed: its checksum is another")
    packed = zlib.decompress(body[len(MAGIC) + 1 :])
    return msgspec.msgpack.decode(packed, type=Backup)


def write(path: Path, backup: Backup) -> int:
    """Write a file whole or not at all; gives its size in bytes."""
    data = pack(backup)
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return len(data)


def read(path: Path) -> Backup:
    """Read a file.

    Raises
    ------
    UpkeepError
        There is none, or it is no whole backup.
    """
    try:
        return unpack(path.read_bytes())
    except OSError as fault:
        raise UpkeepError(f"{path} cannot be read: {fault.strerror}") from fault
    except (ValueError, msgspec.MsgspecError) as fault:
        raise UpkeepError(f"{path} {fault}") from fault


async def take(view: RedisView, partitions: int, on_step: Callable[[], None]) -> Backup:
    """Copy all partitions from Redis, each at one instant; workers may go on.

    Raises
    ------
    UpkeepError
        A partition is damaged, or there is none.
    """
    copies = []
    for number in range(partitions):
        kept = await _read(view, number)
        if kept.position.changelog is not None:
            copies.append(_copy(number, kept))
        on_step()
    if not copies:
        raise UpkeepError(f"Redis shows no states of {view.name}: check BESS_PREFIX")
    return Backup(view.name, partitions, datetime.now(UTC).isoformat(timespec="seconds"), copies)


async def _read(view: RedisView, number: int) -> Kept:
    try:
        return Kept(*await view.read(number))
    except DamagedViewError as damage:
        raise UpkeepError(f"{damage}: see `bess state scrub`, then export again") from damage


def _copy(number: int, kept: Kept) -> Copy:
    position = kept.position
    assert position.changelog is not None
    return Copy(
        number,
        position.changelog,
        dict(position.offsets),
        position.epoch,
        dict(kept.states),
        position.letters,
        position.owner,
        dict(position.marks),
    )
