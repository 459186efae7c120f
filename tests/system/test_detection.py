"""Injected faults through files and ``bess process``; ``make proof`` has twenty exports of each."""

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bench.detection import KINDS, Score, examine
from replay.sample.cells import CellSpec

SPEC = CellSpec(days=8, interval_s=300, systems=1, packs=1, cells=24, meters=0, faults=KINDS)
LEFT = 0.87
"""Part of the rated capacity that is left; the BMS says more."""


def told_soh(folder: Path) -> tuple[float, float]:
    """The newest SOH by the charge ledger, and its error."""
    with (folder / "tables" / "health_daily.csv").open(newline="", encoding="utf-8") as stream:
        newest = list(csv.DictReader(stream))[-1]
    return float(newest["soh_ledger_ratio"]), float(newest["soh_ledger_error_ratio"])


def test_each_fault_is_named_with_its_pack_and_cell_and_none_is_invented(tmp_path: Path) -> None:
    score = Score()

    score.add(*examine(replace(SPEC, capacity_ratio=LEFT), tmp_path))

    assert score.found == score.planted == Counter(KINDS)
    assert +score.invented == Counter()
    soh, error = told_soh(tmp_path)
    assert abs(soh - LEFT) < error < 0.13, "whatever single cells show"


def test_of_a_clean_export_nothing_is_raised(tmp_path: Path) -> None:
    faults, raised = examine(replace(SPEC, faults=()), tmp_path)

    assert (faults, raised) == ((), [])
    soh, error = told_soh(tmp_path)
    assert soh == pytest.approx(SPEC.capacity_ratio, abs=error)


def test_what_no_fault_explains_is_counted_as_invented() -> None:
    score = Score()

    score.add([], [("HOT_CELL", "bess1", "1", "7"), ("HOT_CELL", "bess1", "1", "7")])

    assert score.invented == Counter({"HOT_CELL": 1})
    assert "precision 0.000" in " ".join(score.lines())
