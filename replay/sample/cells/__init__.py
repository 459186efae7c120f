"""Made-up exports of battery cells: a file a signal, faults included, and the truth beside it."""

from replay.sample.cells.faults import Fault
from replay.sample.cells.spec import FAULTS, CellSpec, FaultKind
from replay.sample.cells.write import CellReport, files_of, write_cells

__all__ = ["FAULTS", "CellReport", "CellSpec", "Fault", "FaultKind", "files_of", "write_cells"]
