"""A published day of a real battery, where it is there."""

import numpy as np
import pytest

from bench.real import data_file
from replay.config import parse_config
from replay.signals.export import SignalExport

DAY = data_file()
KEPT = ("soc_ratio", "current_a", "voltage_v", "ac_power_w")


@pytest.mark.skipif(not DAY.is_file(), reason=f"there is no {DAY.name}: see bench/real.py")
def test_the_day_comes_out_in_the_units_of_records() -> None:
    config = parse_config({"data": {"paths": [str(DAY)]}, "signals": {"preset": "m5bat"}})

    columns: dict[str, list[np.ndarray]] = {}
    for batch in SignalExport.open(config).batches(rows=10_000):
        for key, samples in batch.samples:
            for name in set(KEPT) & set(samples.values):
                columns.setdefault(f"{key.rpartition('/')[2]} {name}", []).append(
                    samples.values[name]
                )
    whole = {name: np.concatenate(parts) for name, parts in columns.items()}

    out = {name: np.clip(each, 0, None).sum() / 3_600_000 for name, each in whole.items()}
    into = {name: np.clip(-each, 0, None).sum() / 3_600_000 for name, each in whole.items()}
    assert out["batt1 ac_power_w"] == pytest.approx(28.591, abs=0.001)
    assert into["batt1 ac_power_w"] == pytest.approx(67.097, abs=0.001)
    assert out["batt10 ac_power_w"] == pytest.approx(667.689, abs=0.001)
    assert into["batt10 ac_power_w"] == pytest.approx(771.347, abs=0.001)
    assert (whole["batt1 soc_ratio"].min(), whole["batt1 soc_ratio"].max()) == (0.469, 0.53)
    assert (whole["batt10 voltage_v"].min(), whole["batt10 voltage_v"].max()) == (684.2, 762.0)
    assert whole["batt1 current_a"].max() == 511.2
