import hashlib
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.upkeep import backup
from stream_app.upkeep.backup import FORMAT, MAGIC, Backup, Copy, pack, unpack
from stream_app.upkeep.stores import UpkeepError

OFFSETS = st.integers(0, 2**62)
COPIES = st.builds(
    Copy,
    number=st.integers(0, 255),
    changelog=OFFSETS,
    offsets=st.dictionaries(st.text(max_size=20), OFFSETS, max_size=3),
    epoch=OFFSETS,
    states=st.dictionaries(st.binary(max_size=30), st.binary(max_size=300), max_size=5),
    letters=st.integers(0, 100),
)
BACKUPS = st.builds(
    Backup,
    app_id=st.text(max_size=20),
    partitions=st.integers(1, 256),
    taken=st.text(max_size=30),
    copies=st.lists(COPIES, max_size=3),
)
SMALL = Backup(
    "bess.energy", 4, "2026-01-01T00:00:00+00:00", [Copy(1, 7, {"t": 5}, 0, {b"k": b"v"})]
)


@given(BACKUPS)
def test_what_is_written_is_read_back(kept: Backup) -> None:
    assert unpack(pack(kept)) == kept


def test_a_file_of_before_the_tally_of_dead_letters_is_read() -> None:
    old = msgspec.to_builtins(SMALL, builtin_types=(bytes,))
    del old["copies"][0]["letters"]
    body = MAGIC + bytes((FORMAT,)) + zlib.compress(msgspec.msgpack.encode(old))

    assert unpack(body + hashlib.sha256(body).digest()) == SMALL


@given(st.data())
def test_no_byte_can_change_unseen(data: st.DataObject) -> None:
    whole = pack(SMALL)
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = data.draw(st.integers(1, 255))
    spoilt = bytearray(whole)
    spoilt[place] ^= changed

    with pytest.raises(ValueError, match=r"no backup|format|checksum"):
        unpack(bytes(spoilt))


@given(st.integers(0, len(pack(SMALL)) - 1))
def test_a_file_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=r"no backup|format|checksum"):
        unpack(pack(SMALL)[:length])


def test_a_file_is_written_whole_over_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "states.bess"
    path.write_bytes(b"older")

    size = backup.write(path, SMALL)

    assert backup.read(path) == SMALL
    assert path.stat().st_size == size
    assert [each.name for each in tmp_path.iterdir()] == ["states.bess"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read"),
        (b"hello", "is no backup of states"),
        (b"bess states\n\x09rest of it", "format that this version cannot read"),
        (pack(SMALL)[:-1], "cut off or was changed"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_name(
    content: bytes | None, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "states.bess"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(UpkeepError, match=told) as raised:
        backup.read(path)

    assert str(path) in str(raised.value)
