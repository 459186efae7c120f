"""Small exports, written by the tests that need them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from replay.config import Config, parse_config
from replay.export import Export
from stream_app.core.messages import PowerSamples

Columns = Mapping[str, Sequence[object]]


def power(inverter: str, dc_input: int) -> str:
    return f"BESS{dc_input} DC Input Power (kW) [Battery Inverter {inverter}]"


def enclosures(inverter: str = "1A1", count: int = 4) -> list[str]:
    return [f"SOC (%) [Battery system {inverter}BAT{n}]" for n in range(1, count + 1)]


def station(times: Sequence[object], first: Sequence[object], second: Sequence[object]) -> Columns:
    """One inverter 1APCS1 with four enclosures."""
    nothing = [0.0] * len(times)
    return {
        "Timestamp": times,
        power("1APCS1", 1): first,
        power("1APCS1", 2): second,
        **dict.fromkeys(enclosures(), nothing),
    }


def ramp(times: Sequence[object]) -> Columns:
    """Row i has i kW at input 1 and -i kW at input 2."""
    return station(
        times, [float(i) for i in range(len(times))], [-float(i) for i in range(len(times))]
    )


def parquet(path: Path, columns: Columns, group: int = 1000) -> Path:
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    pq.write_table(table, path, row_group_size=group)
    return path


def csv_file(path: Path, columns: Columns, delimiter: str = ",") -> Path:
    rows = zip(*columns.values(), strict=True)
    lines = [delimiter.join(columns), *(delimiter.join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def config(*paths: Path, **sections: object) -> Config:
    data = sections.pop("data", {})
    assert isinstance(data, dict)
    return parse_config({**sections, "data": {"paths": [str(path) for path in paths], **data}})


def opened(*paths: Path, **sections: object) -> Export:
    return Export.open(config(*paths, **sections))


def joined(export: Export, **options: int | None) -> dict[str, PowerSamples]:
    """All samples of each block, whatever the batches."""
    found: dict[str, list[PowerSamples]] = {}
    for batch in export.batches(**options):  # type: ignore[arg-type]
        for key, samples in batch.samples:
            found.setdefault(key, []).append(samples)
    return {key: _concatenated(parts) for key, parts in found.items()}


def _concatenated(parts: Iterable[PowerSamples]) -> PowerSamples:
    each = list(parts)
    names = each[0].power_w
    power_w = {name: np.concatenate([part.power_w[name] for part in each]) for name in names}
    return PowerSamples(np.concatenate([part.times for part in each]), power_w)


def same(one: Mapping[str, PowerSamples], other: Mapping[str, PowerSamples]) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(one[key].times, other[key].times)
        and one[key].power_w.keys() == other[key].power_w.keys()
        and all(
            np.array_equal(values, other[key].power_w[name], equal_nan=True)
            for name, values in one[key].power_w.items()
        )
        for key in one
    )
