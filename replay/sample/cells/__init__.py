"""Made-up exports of battery cells: a file a signal, faults included, and the truth beside it."""

from replay.sample.cells.faults import Fault, FaultKind
from replay.sample.cells.spec import FAULTS, CellSpec
from replay.sample.cells.write import CellReport, write_cells

__all__ = ["FAULTS", "CellReport", "CellSpec", "Fault", "FaultKind", "write_cells"]
