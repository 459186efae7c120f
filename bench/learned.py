"""What learned anomalies find, and what they invent: precision and recall of ``LEARNED_ANOMALY``.

``python -m bench.learned``; no services are needed. Of each battery there are two exports, alike
but for one weak, one drifting, one hot and one stuck cell. A model learns from the first half of
the days of the one without faults; false alarms are those of the other half. It judges all days of
the one with faults, which begin on one of the first. A hot cell warms two on each side of it; that
one of them is named is counted apart.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec

from bench.detection import KINDS
from replay.config import load_config
from replay.sample.cells import CellSpec, Fault, write_cells
from replay.signals.export import SignalExport
from schemas.results_battery import BatteryAlarmRecord
from schemas.topics import ALARMS, CELLS
from stream_app.archive.files import open_archive
from stream_app.archive.layout import Span
from stream_app.archive.sink import tables_of
from stream_app.archive.train import train
from stream_app.codec.anomaly_model import anomaly_model
from stream_app.codec.results import Output
from stream_app.core.cells.forest import AnomalyModel
from stream_app.process_signals import process_signals

RULE = b'"LEARNED_ANOMALY"'
NEIGHBOURS = 2
Cell = tuple[str, int]
"""Pack and number."""


@dataclass
class Tally:
    """Of some batteries: false alarms, cell days without a fault, and faults by kind."""

    false_alarms: int = 0
    cells: set[tuple[int, Cell]] = field(default_factory=set)
    cell_days: int = 0
    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    named: int = 0
    warmed: int = 0

    def clean(self, seed: int, raised: Sequence[Cell], cell_days: int) -> None:
        """Take in a battery without faults."""
        self.false_alarms += len(raised)
        self.cells |= {(seed, each) for each in raised}
        self.cell_days += cell_days

    def sick(self, faults: Sequence[Fault], raised: Sequence[Cell]) -> None:
        """Take in a battery with faults."""
        named = set(raised)
        hot = {(str(each.pack), each.cell) for each in faults if each.kind == "hot"}
        near = {
            (pack, cell + away) for pack, cell in hot for away in range(-NEIGHBOURS, NEIGHBOURS + 1)
        }
        own = {(str(each.pack), each.cell) for each in faults}
        for each in faults:
            self.planted[each.kind] += 1
            self.found[each.kind] += (str(each.pack), each.cell) in named
        self.named += len(named)
        self.warmed += len(named & (near - own))

    def lines(self) -> Iterator[str]:
        """What there is to say."""
        yield f"without faults: {self.false_alarms} alarms in {self.cell_days:,} cell days"
        yield f"  of {len(self.cells)} cells"
        for kind in KINDS:
            yield f"  {kind:<6}{self.found[kind]:>3} of {self.planted[kind]} named"
        right = self.found.total()
        yield (
            f"with faults {self.named} cells named: {right} faulty, {self.warmed} beside a hot "
            f"one, {self.named - right - self.warmed} others"
        )
        precision = (right + self.warmed) / self.named if self.named else 1.0
        yield f"precision {precision:.3f}, recall {right / max(1, self.planted.total()):.3f}"


def outputs(export: SignalExport, models: Sequence[AnomalyModel] = ()) -> list[Output]:
    """Windows of five minutes and alarms of an export."""
    found: list[Output] = []

    def take(each: Output) -> None:
        if each.topic in (CELLS["5min"], ALARMS):
            found.append(each)

    process_signals(export, take, lambda *_: None, models)
    return found


def learned(
    folder: Path, found: Sequence[Output], contamination: float, until: date
) -> AnomalyModel:
    """The model of the days before ``until`` of an export's windows."""
    records = list(enumerate(each.value for each in found if each.topic == CELLS["5min"]))
    span = Span(CELLS["5min"].suffix, 0, 0, len(records))
    with open_archive(folder, "bench") as archive:
        archive.append(span, tables_of(span, records))
    window = msgspec.json.decode(records[0][1])
    record = train(folder, window["site"], window["system"], contamination, until=until)
    return anomaly_model(record)


def raised(found: Sequence[Output], since: datetime | None = None) -> list[Cell]:
    """Cells that the model named, once an alarm, after an instant."""
    alarms = (
        msgspec.json.decode(each.value, type=BatteryAlarmRecord)
        for each in found
        if each.topic == ALARMS and RULE in each.value
    )
    return [
        (str(each.pack), each.cell or 0)
        for each in alarms
        if each.state == "raised" and (since is None or datetime.fromisoformat(each.time) > since)
    ]


def examine(spec: CellSpec, contamination: float, tally: Tally) -> None:
    """Learn from the clean twin of a battery, and judge both."""
    half = spec.days // 2
    since = datetime.fromtimestamp(int(spec.midnights[half]) / 1000, UTC)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clean = write_cells(folder / "clean", spec)
        sick = write_cells(folder / "sick", replace(spec, faults=KINDS))
        export = load_config(clean.config)
        until = spec.start + timedelta(days=half)
        before = outputs(SignalExport.open(export))
        models = [learned(folder / "archive", before, contamination, until)]
        without = raised(outputs(SignalExport.open(export), models), since)
        tally.clean(spec.seed, without, (spec.days - half) * spec.packs * spec.cells)
        found = raised(outputs(SignalExport.open(load_config(sick.config)), models))
        tally.sick(sick.faults, found)
    print(f"  seed {spec.seed}: {len(without)} false alarms", file=sys.stderr, flush=True)


def main() -> None:
    """Examine all batteries, one at a time, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m bench.learned", description=__doc__)
    parser.add_argument("--batteries", type=int, default=4)
    parser.add_argument("--days", type=int, default=12, help="the first half is learned from")
    parser.add_argument("--interval", type=int, default=300, help="seconds between rows")
    parser.add_argument("--packs", type=int, default=3)
    parser.add_argument("--contamination", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1, help="of the first battery")
    chosen = parser.parse_args()
    tally = Tally()
    for seed in range(chosen.seed, chosen.seed + chosen.batteries):
        spec = CellSpec(
            days=chosen.days,
            interval_s=chosen.interval,
            systems=1,
            packs=chosen.packs,
            meters=0,
            faults=(),
            seed=seed,
        )
        examine(spec, chosen.contamination, tally)
    print(
        f"{chosen.batteries} batteries of {chosen.packs} packs, {chosen.days} days at "
        f"{chosen.interval} s, contamination {chosen.contamination:g}"
    )
    print("\n".join(tally.lines()))


if __name__ == "__main__":
    main()
