"""Cell values a second through decoding and folding, beside a bare decode loop: one process.

``python -m bench.cells``; no services are needed.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np

from stream_app.codec.battery import decode_battery, encode_battery
from stream_app.core.battery import Battery, BatteryRules, CellSamples
from stream_app.core.cells.fold import CellsState, fold_cells

CELLS, PACKS = 52, 5
START_MS = 1_760_000_000_000
ROUNDS = 3


@dataclass(frozen=True)
class Load:
    """Records of one battery: ``rows`` a record, ``chunk`` records folded at once."""

    title: str
    rows: int
    records: int
    chunk: int
    interval_ms: int = 1_000

    @property
    def values(self) -> int:
        """Voltages and temperatures."""
        return self.rows * self.records * CELLS * 2


LOADS = (
    Load("500 rows a record", 500, 100, 10),
    Load("500 rows a record of 1 min data", 500, 100, 10, 60_000),
    Load("500 rows a record of 15 min data", 500, 100, 10, 900_000),
    Load("60 rows a record", 60, 500, 50),
    Load("1 row a record, a minute of rows at once", 1, 9_000, 300),
    Load("1 row a record, each second at once", 1, 9_000, 5),
)


class Bare(msgspec.Struct, tag_field="kind", tag="cells", gc=False):
    """The least that a reader of such a record must decode."""

    pack: str
    t: list[int]
    voltage_v: list[list[float | None]]
    temperature_c: list[list[float | None]]


_bare = msgspec.json.Decoder(Bare)


def battery(load: Load) -> Battery:
    rules = BatteryRules(interval_ms=load.interval_ms, max_gap_ms=10 * load.interval_ms)
    return Battery("bench", "b1", "Europe/Berlin", {str(n): CELLS for n in range(PACKS)}, rules)


def samples(load: Load) -> list[CellSamples]:
    """Packs take turns; noise of 1 mV and 0.05 degC on a slow swing."""
    rng = np.random.default_rng(1)
    rows = load.rows * load.records // PACKS
    hours = np.arange(rows) * load.interval_ms / 3_600_000
    off = rng.normal(0, 0.002, CELLS), rng.normal(0, 0.5, CELLS)
    volts = 3.3 + 0.02 * np.sin(hours)[:, None] + off[0] + rng.normal(0, 0.001, (rows, CELLS))
    warm = 25 + 3 * np.sin(hours)[:, None] + off[1] + rng.normal(0, 0.05, (rows, CELLS))
    times = START_MS + load.interval_ms * np.arange(rows, dtype=np.int64)
    amperes = np.full(rows, 70.0)
    parts = [slice(at, at + load.rows) for at in range(0, rows, load.rows)]
    volts, warm = volts.round(3), warm.round(1)
    return [
        CellSamples(str(pack), times[part], volts[part], warm[part], amperes[part])
        for part in parts
        for pack in range(PACKS)
    ]


def bare_json(values: Sequence[bytes]) -> None:
    """What any reader has to do: parse, and have the numbers as arrays."""
    for value in values:
        record = _bare.decode(value)
        np.array(record.t)
        np.array(record.voltage_v, dtype=np.float64)
        np.array(record.temperature_c, dtype=np.float64)


def bare_packed(values: Sequence[bytes]) -> None:
    """The same for binary: a view of the bytes, of which only the sum is taken."""
    for value in values:
        np.frombuffer(value, dtype=np.uint8).sum()


def decode(values: Sequence[bytes]) -> list[CellSamples]:
    found = [decode_battery("bench/battery/b1", value) for value in values]
    return [each for each in found if isinstance(each, CellSamples)]


def decode_and_fold(values: Sequence[bytes], load: Load) -> None:
    state = CellsState()
    fold_cells(state, [battery(load)])
    for at in range(0, len(values), load.chunk):
        fold_cells(state, decode(values[at : at + load.chunk]))


def seconds(work: Callable[[], object]) -> float:
    """The best of some rounds: what else the machine does only adds."""
    best = float("inf")
    for _ in range(ROUNDS):
        begin = time.process_time()
        work()
        best = min(best, time.process_time() - begin)
    return best


def main() -> None:
    """Print a table: million cell values a second of CPU time."""
    title = "million cell values a CPU second"
    print(f"{title:<46}{'bare':>8}{'decode':>8}{'and fold':>9}{'ratio':>7}")
    for load in LOADS:
        every = samples(load)
        for name, packed, bare in (("JSON", False, bare_json), ("packed", True, bare_packed)):
            values = [encode_battery(each, packed=packed) for each in every]
            works: tuple[Callable[[], object], ...] = (
                partial(bare, values),
                partial(decode, values),
                partial(decode_and_fold, values, load),
            )
            speeds = [load.values / 1e6 / seconds(work) for work in works]
            ratio = speeds[2] / speeds[0]
            row = "".join(f"{speed:>8.1f}" for speed in speeds)
            print(f"{load.title + ', ' + name:<46}{row}{ratio:>8.2f}")


if __name__ == "__main__":
    main()
