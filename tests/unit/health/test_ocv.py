"""State of charge from the voltage of cells at rest."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from replay.sample.cells.model import _OCV_SOC, _OCV_V
from stream_app.core.charge.ocv import LFP, NMC, Curve, charge_at_rest
from stream_app.core.health.soh import anode_v
from stream_app.core.rows import NONE


def lfp_v(soc: float) -> float:
    """Safari and Delacourt 2011: cathode less anode."""
    free = 1 - (0.90 + soc * (0.03 - 0.90))
    cathode = 3.4323 - 0.8428 * math.exp(-80.2493 * free**1.3198)
    cathode -= 3.2474e-6 * math.exp(20.2645 * free**3.8003)
    cathode += 3.2482e-6 * math.exp(20.2646 * free**3.7995)
    return cathode - anode_v(soc)


def nmc_v(soc: float) -> float:
    """Chen et al. 2020: cathode less anode."""
    x, y = 0.0279 + soc * (0.9014 - 0.0279), 0.9084 + soc * (0.2661 - 0.9084)
    anode = 1.9793 * math.exp(-39.3631 * x) + 0.2482 - 0.0909 * math.tanh(29.8538 * (x - 0.1234))
    anode -= 0.04478 * math.tanh(14.9159 * (x - 0.2769))
    anode -= 0.0205 * math.tanh(30.4444 * (x - 0.6103))
    cathode = 4.4875 - 0.8090 * y - 0.0428 * math.tanh(18.5138 * (y - 0.5542))
    cathode -= 17.7326 * math.tanh(15.7890 * (y - 0.3117))
    return cathode + 17.5842 * math.tanh(15.9308 * (y - 0.3120)) - anode


def told(curve: Curve, low_v: float, high_v: float | None = None) -> tuple[float, float] | None:
    """SOC and error, None where the voltages do not tell it."""
    volts = [np.array([round(each * 1e6)]) for each in (low_v, high_v or low_v)]
    soc, error = (int(each[0]) for each in charge_at_rest(curve, *volts))
    return None if soc == NONE else (soc / 1e6, error / 1e6)


@pytest.mark.parametrize(("curve", "volts"), [(LFP, lfp_v), (NMC, nmc_v)])
def test_curves_are_those_of_the_published_functions(
    curve: Curve, volts: Callable[[float], float]
) -> None:
    inner = slice(1 if curve is LFP else 0, -1)
    expected = [round(1000 * volts(percent / 100)) for percent in curve.percent[inner]]

    assert list(curve.mv[inner]) == expected
    assert (np.diff(curve.mv) > 0).all()


@pytest.mark.parametrize("soc", [0.02, 0.05, 0.08, 0.1, 0.12, 0.15, 0.98, 0.99, 1.0])
def test_the_stated_error_holds_for_another_make_of_lfp(soc: float) -> None:
    found = told(LFP, float(np.interp(soc, _OCV_SOC, _OCV_V)))

    assert found is not None
    assert abs(found[0] - soc) < found[1] < 0.06


@pytest.mark.parametrize("soc", [0.3, 0.5, 0.7, 0.8, 0.9])
def test_the_plateau_of_lfp_tells_nothing(soc: float) -> None:
    assert told(LFP, lfp_v(soc)) is None


@pytest.mark.parametrize("soc", [0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0])
def test_nmc_tells_its_charge_nearly_everywhere(soc: float) -> None:
    found = told(NMC, nmc_v(soc))

    assert found is not None
    assert found[0] == pytest.approx(soc, abs=0.012)
    assert 0.05 < found[1] < 0.09


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.0, 0.0), (0.0, 3.2), (3.2, 4.0), (3.0, 3.22), (3.22, 3.21)],
    ids=["lost", "one lost", "beyond any cell", "too uneven", "the wrong way round"],
)
def test_voltages_that_hang_apart_tell_nothing(low: float, high: float) -> None:
    assert told(LFP, low, high) is None


def test_no_voltage_tells_nothing() -> None:
    none, volts = np.array([NONE]), np.array([3_200_000])

    for low, high in ((none, none), (none, volts), (volts, none)):
        assert charge_at_rest(LFP, low, high)[0].tolist() == [NONE]
