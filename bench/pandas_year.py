"""The same daily table by pandas alone: no stream, no gaps judged, one machine, one pass."""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

POWER = re.compile(
    r"BESS(?P<input>[12]) DC Input Power \(kW\) \[Battery Inverter (?P<inv>[^\]]+)\]"
)
MAX_GAP_S = 2_700.0


def main(config: str, out: str) -> None:
    """Write date, input, charged and discharged kWh: trapezoid, split at zero crossings."""
    folder = Path(config).parent
    files = sorted(
        p
        for pattern in yaml.safe_load(Path(config).read_text())["data"]["paths"]
        for p in folder.glob(pattern)
    )
    frame = pd.concat([pd.read_parquet(path) for path in files], ignore_index=True)
    times = pd.DatetimeIndex(pd.to_datetime(frame["Timestamp"]))
    zone = times.tz_localize("Australia/Sydney", ambiguous="infer", nonexistent="NaT")
    days = []
    for column in filter(POWER.match, frame.columns):
        power = pd.to_numeric(frame[column], errors="coerce")
        series = pd.Series(power.to_numpy(), index=zone)[lambda s: s.index.notna()].dropna()
        days.append(_daily(series).assign(column=column))
    pd.concat(days).to_csv(out)


def _daily(power: "pd.Series[float]") -> pd.DataFrame:
    times = pd.DatetimeIndex(power.index)
    seconds = times.as_unit("s").asi8
    step, p0, p1 = np.diff(seconds), power.to_numpy()[:-1], power.to_numpy()[1:]
    out = (np.maximum(p0, 0) + np.maximum(p1, 0)) / 2
    into = (np.maximum(-p0, 0) + np.maximum(-p1, 0)) / 2
    crossing = p0 * p1 < 0
    share = np.divide(out, out + into, out=np.zeros_like(out), where=crossing)
    out, into = np.where(crossing, out * share, out), np.where(crossing, into * (1 - share), into)
    hours = np.where(step <= MAX_GAP_S, step, 0) / 3600
    energy = {"discharged_kwh": out * hours, "charged_kwh": into * hours}
    return pd.DataFrame(energy).groupby(times[:-1].date).sum()


if __name__ == "__main__":
    main(*sys.argv[1:])
