"""A published day of a real battery: daily energy is the sum of the published samples."""

from pathlib import Path

import pytest

from bench.real import TOLERANCE_KWH, UNITS, VARIABLE, data_file, process, reference


def test_daily_energy_of_a_real_day_is_the_sum_of_its_published_samples(tmp_path: Path) -> None:
    data = data_file()
    if not data.is_file():
        pytest.skip(f"the published day {data.name} is not here; {VARIABLE} names its path")

    produced, published = process(data, tmp_path / "out"), reference(data)

    assert produced.keys() == published.keys() == set(UNITS)
    for unit, energy in published.items():
        assert produced[unit].discharged == pytest.approx(energy.discharged, abs=TOLERANCE_KWH)
        assert produced[unit].charged == pytest.approx(energy.charged, abs=TOLERANCE_KWH)
    assert min(energy.charged for energy in published.values()) > 1
