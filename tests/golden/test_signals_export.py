"""A small export of signals, committed with the records that it has always become.

``python -m tests.golden.test_signals_export`` writes the records anew.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from replay.config import load_config
from replay.signals.export import SignalExport
from replay.wire import PLAIN
from tests.signals.exports import rows_of

FOLDER = Path(__file__).parent / "signals"
RECORDS = FOLDER / "records.txt"


def lines() -> Iterator[str]:
    """Key and record of everything that is published, and what the export could not use."""
    export = SignalExport.open(load_config(FOLDER / "config.yaml"))
    for _, key, value in export.topology():
        yield f"{key} {value.decode()}"
    for batch in export.batches():
        for key, samples in batch.samples:
            yield f"{key} {PLAIN.value(samples, samples.times).decode()}"
    yield from export.issues.lines()


def test_the_export_becomes_the_committed_records() -> None:
    assert list(lines()) == RECORDS.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("rows", [1, 3])
def test_smaller_batches_hold_the_same_rows(rows: int) -> None:
    export = SignalExport.open(load_config(FOLDER / "config.yaml"))

    assert rows_of(export, rows=rows) == rows_of(export)


if __name__ == "__main__":
    RECORDS.write_text("\n".join(lines()) + "\n", encoding="utf-8")
