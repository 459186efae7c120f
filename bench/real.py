"""``make real``: a published day of a real battery, against sums taken from the file itself."""

import asyncio
import csv
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import yaml
from pydantic import SecretStr

from bench.stream import environment, worker
from deploy.local import LocalServiceError, endpoints
from stream_app.settings import Settings
from stream_app.topics import create_topics

ROOT = Path(__file__).parents[1]
MAPPING = ROOT / "deploy" / "mappings" / "m5bat.yaml"
VARIABLE = "BESS_REAL_DATA"
DATA = ROOT.parent / "shared" / "data" / "m5bat-2023-04-07.parquet"
UNITS = ("batt1", "batt10")
TABLES = ("daily_energy_by_enclosure.csv", "outliers_bottom5.csv")
TOLERANCE_KWH = 0.001
COMMAND_LIMIT_S = 300


@dataclass(frozen=True)
class Energy:
    """Energy of a unit in a day [kWh]."""

    charged: float
    discharged: float

    def differs_from(self, other: "Energy") -> float:
        """Larger of the two differences [kWh]."""
        return max(abs(self.charged - other.charged), abs(self.discharged - other.discharged))


def main() -> int:
    """Compare, print, and give the exit status."""
    data = data_file()
    if not data.is_file():
        print(f"not run: there is no {data.name}; set {VARIABLE} to the path of the published day")
        return 0
    try:
        return 0 if _holds(data) else 1
    except (RuntimeError, LocalServiceError) as fault:
        print(f"real: {fault}", file=sys.stderr)
        return 1


def data_file() -> Path:
    """Where the published day should lie."""
    return Path(os.environ.get(VARIABLE) or DATA)


def reference(data: Path) -> dict[str, Energy]:
    """Sum the published samples [kW], each held for the second until the next, by sign."""
    found = {}
    for unit in UNITS:
        column = pq.read_table(data, columns=[f"P_AC_{unit}"]).column(0)
        power_kw = column.to_numpy().astype(np.float64)
        found[unit] = Energy(
            charged=-power_kw[power_kw < 0].sum() / 3600,
            discharged=power_kw[power_kw > 0].sum() / 3600,
        )
    return found


def process(data: Path, out: Path) -> dict[str, Energy]:
    """Daily energy of each unit by ``bess process`` with the shipped mapping."""
    out.mkdir(parents=True)
    mapping = yaml.safe_load(MAPPING.read_text(encoding="utf-8"))
    mapping["data"]["paths"] = [str(data.absolute())]
    config = out / "config.yaml"
    config.write_text(yaml.safe_dump(mapping), encoding="utf-8")
    _bess(os.environ, "process", "--config", str(config), "--out", str(out))
    return _energy(out / TABLES[0])


def through_kafka(data: Path, out: Path) -> Path:
    """Write the same reports by replay, worker and report on local services."""
    with endpoints() as services:
        settings = Settings(
            brokers=services.brokers,
            redis_url=SecretStr(services.redis_url),
            prefix=f"real-{uuid.uuid4().hex[:6]}",
        )
        asyncio.run(create_topics(settings))
        mapping = ("--config", str(MAPPING))
        with worker(settings):
            _bess(environment(settings), "replay", str(data), *mapping)
            _bess(environment(settings), "report", *mapping, "--out", str(out))
    return out


def _holds(data: Path) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        agrees = _compare(process(data, root / "process"), reference(data))
        return _equal(through_kafka(data, root / "kafka"), root / "process") and agrees


def _bess(variables: Mapping[str, str], *command: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "stream_app", *command],
        env=dict(variables),
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(f"bess {command[0]} ended with {finished.returncode}: {finished.stderr}")


def _energy(table: Path) -> dict[str, Energy]:
    found: dict[str, Energy] = {}
    with table.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["enclosure_id"] in found:
                raise ValueError(f"{table.name}: more than one day of {row['enclosure_id']}")
            energy = Energy(float(row["charged_kwh"]), float(row["discharged_kwh"]))
            found[row["enclosure_id"]] = energy
    return found


def _compare(produced: Mapping[str, Energy], published: Mapping[str, Energy]) -> bool:
    print(f"{'kWh':<10}{'charged':>14}{'published':>14}{'discharged':>14}{'published':>14}", end="")
    print(f"{'difference':>14}")
    for unit, expected in published.items():
        ours = produced[unit]
        pairs = (ours.charged, expected.charged, ours.discharged, expected.discharged)
        figures = "".join(f"{each:>14.6f}" for each in pairs)
        print(f"{unit:<10}{figures}{ours.differs_from(expected):>14.6f}")
    agrees = produced.keys() == published.keys() and all(
        produced[unit].differs_from(published[unit]) <= TOLERANCE_KWH for unit in published
    )
    print(f"daily sums equal to {TOLERANCE_KWH} kWh: {'yes' if agrees else 'NO'}", flush=True)
    return agrees


def _equal(kafka: Path, alone: Path) -> bool:
    same = {name: (kafka / name).read_bytes() == (alone / name).read_bytes() for name in TABLES}
    for name, equal in same.items():
        print(f"{name} through Kafka and Redis byte-equal: {'yes' if equal else 'NO'}")
    return all(same.values())


if __name__ == "__main__":
    sys.exit(main())
