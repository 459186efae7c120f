"""Injected faults of cells against what ``bess process`` says of the files: precision and recall.

``python -m bench.detection``; no services are needed. Each export is a system of packs over days at
1 min, written as one CSV a signal; half of them hold one weak, one drifting, one hot and one stuck
cell, the other half none. Everything that is raised is in the count.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from replay.sample.cells import CellSpec, Fault, FaultKind, write_cells

KINDS: tuple[FaultKind, ...] = ("weak", "drift", "hot", "stuck")
RULE: Mapping[FaultKind, str] = {
    "weak": "WEAK_CELL",
    "drift": "CELL_VOLTAGE_DRIFT",
    "hot": "HOT_CELL",
    "stuck": "CELL_VOLTAGE_STUCK",
}
"""Rule that names a fault of each kind."""
SHOWN: Mapping[FaultKind, frozenset[str]] = {
    **dict.fromkeys(
        ("weak", "drift", "stuck"),
        frozenset(
            {
                "CELL_VOLTAGE_DEVIATION",
                "CELL_VOLTAGE_DRIFT",
                "CELL_VOLTAGE_STUCK",
                "WEAK_CELL",
                "VOLTAGE_IMBALANCE_WARNING",
            }
        ),
    ),
    "hot": frozenset({"HOT_CELL"}),
}
"""Rules that a fault of each kind may show itself by, too: at the cell, or for its pack."""
COMMAND_LIMIT_S = 600

Subject = tuple[str, str, str, str]
"""Rule, system, pack and cell of what was raised; the last two are empty where it has none."""


@dataclass
class Score:
    """What was planted and raised in some exports; whatever is raised twice at a place counts once.

    Attributes
    ----------
    planted, found
        Faults by kind; of them those whose own rule named pack and cell.
    named
        Places raised by a rule that names a kind.
    right
        Of them those of a fault of that very kind.
    shown
        Of them those of a fault of another kind that shows itself so.
    raised, invented
        All places by rule, and those that no fault explains.
    """

    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    shown: Counter[str] = field(default_factory=Counter)
    raised: Counter[str] = field(default_factory=Counter)
    invented: Counter[str] = field(default_factory=Counter)

    def add(self, faults: Iterable[Fault], subjects: Iterable[Subject]) -> None:
        """Take in an export."""
        every, raised = list(faults), set(subjects)
        own = {_own(fault) for fault in every}
        explained = {each for fault in every for each in _shown(fault)}
        kinds = {rule: kind for kind, rule in RULE.items()}
        for fault in every:
            self.planted[fault.kind] += 1
            self.found[fault.kind] += _own(fault) in raised
        for each in raised:
            self.raised[each[0]] += 1
            self.invented[each[0]] += each not in explained
            if each[0] in kinds:
                kind = kinds[each[0]]
                self.named[kind] += 1
                self.right[kind] += each in own
                self.shown[kind] += each in explained - own

    def lines(self) -> Iterator[str]:
        """A table in Markdown, and a line for all."""
        yield "| fault | planted | found | recall | its rule named | right | other | invented |"
        yield "|---|---|---|---|---|---|---|---|"
        for kind in KINDS:
            named, right, shown = self.named[kind], self.right[kind], self.shown[kind]
            yield (
                f"| {kind} | {self.planted[kind]} | {self.found[kind]} "
                f"| {_part(self.found[kind], self.planted[kind])} | {named} | {right} | {shown} "
                f"| {named - right - shown} |"
            )
        raised, invented = self.raised.total(), self.invented.total()
        precision, recall = raised - invented, self.found.total()
        yield ""
        yield f"raised at {raised} places, {invented} of them without a fault: "
        yield f"precision {_part(precision, raised)}, recall {_part(recall, self.planted.total())}"
        for rule, count in self.raised.most_common():
            yield f"  {rule:<28}{count:>5} places, {self.invented[rule]} invented"


def _own(fault: Fault) -> Subject:
    return RULE[fault.kind], fault.system, str(fault.pack), str(fault.cell)


def _shown(fault: Fault) -> Iterator[Subject]:
    for rule in SHOWN[fault.kind]:
        cell = "" if rule == "VOLTAGE_IMBALANCE_WARNING" else str(fault.cell)
        yield rule, fault.system, str(fault.pack), cell


def _part(some: int, of: int) -> str:
    return f"{some / of:.3f}" if of else "none"


def examine(spec: CellSpec, folder: Path) -> tuple[tuple[Fault, ...], list[Subject]]:
    """Write an export, process it, and read what was raised; the folder is left as it is."""
    report = write_cells(folder, spec)
    tables = folder / "tables"
    command = ["process", "--config", str(report.config), "--out", str(tables)]
    subprocess.run(
        [sys.executable, "-m", "stream_app", *command],
        check=True,
        capture_output=True,
        timeout=COMMAND_LIMIT_S,
    )
    alarms = tables / "battery_alarms.csv"
    if not alarms.exists():
        return report.faults, []
    with alarms.open(newline="", encoding="utf-8") as stream:
        return report.faults, [
            (row["rule"], row["system"], row["pack"], row["cell"])
            for row in csv.DictReader(stream)
            if row["state"] == "raised"
        ]


def main() -> None:
    """Examine all exports, one at a time and each deleted before the next, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__)
    parser.add_argument("--exports", type=int, default=20, help="with faults, and as many without")
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--interval", type=int, default=60, help="seconds between rows")
    parser.add_argument("--packs", type=int, default=2, help="of the one system in each")
    parser.add_argument("--seed", type=int, default=1, help="of the first export")
    chosen = parser.parse_args()
    sick, clean = Score(), Score()
    for number in range(2 * chosen.exports):
        faulty = number < chosen.exports
        spec = CellSpec(
            days=chosen.days,
            interval_s=chosen.interval,
            systems=1,
            packs=chosen.packs,
            meters=0,
            faults=KINDS if faulty else (),
            seed=chosen.seed + number,
        )
        with tempfile.TemporaryDirectory() as folder:
            faults, raised = examine(spec, Path(folder))
        (sick if faulty else clean).add(faults, raised)
        missed = [fault.kind for fault in faults if _own(fault) not in raised]
        told = f"{len(set(raised))} places raised{', missed ' if missed else ''}{' '.join(missed)}"
        print(f"  export {number + 1} of {2 * chosen.exports}: {told}", file=sys.stderr, flush=True)
    print(f"{chosen.exports} exports with faults, {chosen.days} days at {chosen.interval} s\n")
    print("\n".join(sick.lines()))
    print(f"\n{chosen.exports} clean exports: raised at {clean.raised.total()} places")
    for rule, count in clean.raised.most_common():
        print(f"  {rule:<28}{count:>5}")


if __name__ == "__main__":
    main()
