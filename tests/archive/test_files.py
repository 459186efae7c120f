"""Writing files that are whole or not there at all."""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream_app.archive.disk import ArchiveError
from stream_app.archive.files import Archive, files, open_archive
from stream_app.archive.layout import Place, Span
from stream_app.archive.merge import MOST_FILES

PLACES: tuple[Place, ...] = tuple(
    (("kind", "cells_1d"), ("site", "north"), ("system", "a"), ("date", f"2025-10-0{day}"))
    for day in (1, 2, 3)
)
SOURCE = ("cells.1d.v1", 0)


def tables(count: int, value: int) -> dict[Place, pa.Table]:
    return {place: pa.table({"n": [value] * 3}) for place in PLACES[:count]}


def values(directory: Path) -> list[int]:
    return sorted(n for path, _ in files(directory) for n in column(path))


class Killed(BaseException):
    """The process ends at this call."""


def kill_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """End at the n-th call of what touches the disk."""
    calls = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def replaced(*args: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == call:
                raise Killed
            return real(*args, **options)

        return replaced

    monkeypatch.setattr(os, "fsync", counted(os.fsync))
    monkeypatch.setattr(Path, "rename", counted(Path.rename))
    monkeypatch.setattr(Path, "open", counted(Path.open))
    monkeypatch.setattr(Path, "mkdir", counted(Path.mkdir))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))


@pytest.mark.parametrize("call", range(1, 20))
def test_a_span_is_archived_once_wherever_the_writer_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    with open_archive(tmp_path, "bess") as archive:
        archive.append(Span(*SOURCE, 0, 5), tables(2, 1))
    with open_archive(tmp_path, "bess") as archive, monkeypatch.context() as patch:
        kill_at(patch, call)
        try:
            archive.append(Span(*SOURCE, 5, 9), tables(3, 2))
            ended = False
        except Killed:
            ended = True
    assert set(values(tmp_path)) <= {1, 2}

    with open_archive(tmp_path, "bess") as archive:
        at = archive.positions[SOURCE]
        assert at in ((5, 9) if ended else (9,))
        if at == 5:
            archive.append(Span(*SOURCE, 5, 12), tables(3, 2))

    assert values(tmp_path) == [1] * 6 + [2] * 9
    assert not list(tmp_path.rglob("*.tmp"))


def written(archive: Archive, spans: int) -> None:
    """A span a number, in the folders of three days."""
    for at in range(archive.positions.get(SOURCE, 0), spans):
        archive.append(Span(*SOURCE, at, at + 1), tables(3, at))


@pytest.mark.parametrize("call", range(1, 30))
def test_no_row_is_there_twice_or_lost_wherever_a_merge_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    with open_archive(tmp_path, "bess") as archive, monkeypatch.context() as patch:
        written(archive, 2)
        archive.merge()
        written(archive, 4)
        expected = sorted([0, 1, 2, 3] * 9)
        kill_at(patch, call)
        with suppress(Killed):
            archive.merge()
    seen = [n for path in tmp_path.rglob("[!.]*.parquet") for n in column(path)]
    assert not Counter(seen) - Counter(expected)
    assert values(tmp_path) == expected

    with open_archive(tmp_path, "bess") as archive:
        assert archive.positions == {SOURCE: 4}
        assert values(tmp_path) == expected
        written(archive, 5)
        archive.merge()

    assert values(tmp_path) == sorted([*expected, *[4] * 9])
    assert [len(list(tmp_path.rglob(f"date=2025-10-0{day}/*"))) for day in (1, 2, 3)] == [1, 1, 5]
    assert not list(tmp_path.rglob(".cells*"))


def column(path: Path) -> list[int]:
    found: list[int] = pq.ParquetFile(path).read()["n"].to_pylist()
    return found


def test_the_files_of_the_newest_day_are_merged_once_they_are_many(tmp_path: Path) -> None:
    with open_archive(tmp_path, "bess") as archive:
        for at in range(MOST_FILES - 1):
            archive.append(Span(*SOURCE, at, at + 1), tables(1, at))
        assert archive.merge() == 0
        archive.append(Span(*SOURCE, 50, 60), tables(1, 99))

        assert archive.merge() == MOST_FILES
        assert archive.merge() == 0

    (name,) = (name for _, name in files(tmp_path))
    assert str(name) == "cells.1d.v1-000-000000000000-000000000060-merged.parquet"


def test_rows_of_a_version_without_a_column_are_merged_with_those_that_have_it(
    tmp_path: Path,
) -> None:
    with open_archive(tmp_path, "bess") as archive:
        archive.append(Span(*SOURCE, 0, 1), {PLACES[0]: pa.table({"n": [1]})})
        archive.append(Span(*SOURCE, 1, 2), {PLACES[0]: pa.table({"n": [2], "m": [3]})})
        archive.append(Span(*SOURCE, 2, 3), {PLACES[1]: pa.table({"n": [4]})})
        archive.merge()

    path = next(tmp_path.rglob("*-merged.parquet"))
    assert pq.ParquetFile(path).read().to_pydict() == {"n": [1, 2], "m": [None, 3]}


def test_a_file_that_cannot_be_read_stays_and_stops_nothing(tmp_path: Path) -> None:
    with open_archive(tmp_path, "bess") as archive:
        written(archive, 2)
        first, second = sorted(tmp_path.rglob("date=2025-10-01/*.parquet"))
        first.write_bytes(b"no table")
        shutil.rmtree(next(tmp_path.rglob("date=2025-10-02")))

        assert archive.merge() == 0
        written(archive, 3)

    assert first.exists()
    assert second.exists()


def test_a_copy_with_both_merged_and_single_files_has_each_row_once(tmp_path: Path) -> None:
    with open_archive(tmp_path / "one", "bess") as archive:
        written(archive, 3)
        shutil.copytree(tmp_path / "one", tmp_path / "copy")
        archive.merge()
    shutil.copytree(tmp_path / "one", tmp_path / "copy", dirs_exist_ok=True)

    assert values(tmp_path / "copy") == values(tmp_path / "one")


def test_reopening_while_it_mends_is_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_archive(tmp_path, "bess") as archive:
        archive.append(Span(*SOURCE, 0, 5), tables(3, 1))
    path = min(path for path, _ in files(tmp_path))
    path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed), open_archive(tmp_path, "bess"):
            pass

    with open_archive(tmp_path, "bess") as archive:
        assert archive.positions == {SOURCE: 0}
    assert values(tmp_path) == []


def test_one_process_writes_an_archive(tmp_path: Path) -> None:
    with (
        open_archive(tmp_path, "bess"),
        pytest.raises(ArchiveError, match="one at a time"),
        open_archive(tmp_path, "bess"),
    ):
        pass


def test_an_archive_belongs_to_one_deployment(tmp_path: Path) -> None:
    with open_archive(tmp_path, "bess"):
        pass

    with pytest.raises(ArchiveError, match="of prefix bess"), open_archive(tmp_path, "other"):
        pass


def test_a_full_disk_is_told_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_archive(tmp_path, "bess") as archive:
        archive.append(Span(*SOURCE, 0, 5), tables(1, 1))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(ArchiveError, match="disk is full; nothing is lost"):
                archive.append(Span(*SOURCE, 5, 6), tables(2, 2))

    with open_archive(tmp_path, "bess") as archive:
        assert archive.positions == {SOURCE: 5}
        archive.append(Span(*SOURCE, 5, 6), tables(2, 2))
    assert values(tmp_path) == [1] * 3 + [2] * 6


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ArchiveError, match="cannot be written"), open_archive(tmp_path, "bess"):
        pass
    tmp_path.chmod(0o700)


def test_days_that_a_person_deletes_stay_deleted(tmp_path: Path) -> None:
    with open_archive(tmp_path, "bess") as archive:
        archive.append(Span(*SOURCE, 0, 5), tables(3, 1))
        archive.append(Span(*SOURCE, 5, 6), tables(1, 2))
    shutil.rmtree(next(tmp_path.rglob("date=2025-10-02")))

    with open_archive(tmp_path, "bess") as archive:
        assert archive.positions == {SOURCE: 6}
    assert values(tmp_path) == [1] * 6 + [2] * 3
