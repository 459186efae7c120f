"""The texts beside an export of cells: the config that reads it, and what is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import yaml

from replay.sample.cells.faults import Fault
from replay.sample.cells.model import CAPACITY_AH
from replay.sample.cells.spec import CellSpec
from replay.sample.spec import UNITS_S

FOLDERS = ("BESS", "meter")
_CELL_V = 3.2
_AGE_DAYS = 200
"""From commissioning to the first row, at three quarters of a cycle a day."""
_CONFIG = """\
# Reads the export beside it; truth.yaml says what is wrong with it.
data:
  paths: [{paths}]
  interval: {interval}

parsing:
  timezone: {zone}

signals:
  preset: s4

battery:
  cells: {cells}
  capacity_ah: {capacity:g}
  energy_kwh: {energy:g}
  commissioned: {commissioned}
  efc_before: {cycles:g}
"""


@dataclass(frozen=True)
class Gap:
    """Rows in ``[start, end)`` [ms UTC] that a file lacks."""

    file: str
    start: int
    end: int


def config_text(spec: CellSpec) -> str:
    """Give the configuration that reads the export of ``spec``."""
    unit, size = next((u, s) for u, s in UNITS_S.items() if spec.interval_s % s == 0)
    volts = _CELL_V * spec.packs * spec.cells
    return _CONFIG.format(
        paths=", ".join(FOLDERS if spec.meters else FOLDERS[:1]),
        interval=f"{spec.interval_s // size}{unit}",
        zone=spec.zone,
        cells=spec.cells,
        capacity=CAPACITY_AH,
        commissioned=(spec.start - timedelta(days=_AGE_DAYS)).isoformat(),
        cycles=_AGE_DAYS * 0.75,
        energy=round(CAPACITY_AH * volts / 1000),
    )


def truth_text(
    spec: CellSpec, faults: Sequence[Fault], missing: Sequence[str], gaps: Sequence[Gap]
) -> str:
    """Say in YAML what was planted, for programs that look for it; times are UTC."""
    found = {
        "seed": spec.seed,
        "capacity_ratio": spec.capacity_ratio,
        "from": _iso(spec.span[0]),
        "to": _iso(spec.span[1]),
        "faults": [_fault(each) for each in faults],
        "missing_files": list(missing),
        "gaps": [
            {"file": each.file, "from": _iso(each.start), "to": _iso(each.end)} for each in gaps
        ],
    }
    return yaml.safe_dump(found, sort_keys=False)


def _fault(fault: Fault) -> dict[str, object]:
    return {
        "kind": fault.kind,
        "system": fault.system,
        "pack": str(fault.pack) if fault.pack else None,
        "cell": fault.cell or None,
        "from": _iso(fault.start),
        "size": fault.size,
    }


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, tz=UTC).isoformat(timespec="seconds")
