"""Rest and load, plateau and steep ends."""

import numpy as np
import pytest

from stream_app.core.battery import Battery, BatteryRules, CellSamples
from stream_app.core.cells.limits import REGIMES
from tests.cells.strategies import run

START = 1_743_861_600_000
SLOT_MS = 300_000


def seen(volts: list[float], amperes: list[float] | None, soc: list[float] | None) -> list[str]:
    """Regimes of five-minute windows with one row each; rest takes ten minutes."""
    rules = BatteryRules(interval_ms=SLOT_MS, max_gap_ms=2 * SLOT_MS, rest_ms=2 * SLOT_MS)
    battery = Battery("station", "b1", "UTC", {"1": 5}, rules)
    samples = CellSamples(
        "1",
        START + SLOT_MS * np.arange(len(volts), dtype=np.int64),
        np.repeat(np.array(volts)[:, None], 5, axis=1),
        None,
        None if amperes is None else np.array(amperes),
        None if soc is None else np.array(soc),
    )
    outputs, _ = run([[battery, samples]])
    windows = next(each for each in outputs.windows if each.resolution == "5min")
    assert windows.regimes is not None
    return [REGIMES[each] for each in windows.regimes.tolist()]


NAN = float("nan")


@pytest.mark.parametrize(
    ("volts", "amperes", "soc", "expected"),
    [
        pytest.param(
            [3.3] * 6,
            [50.0, 0.5, -0.5, 0.5, 0.5, 0.5],
            [0.5] * 6,
            ["plateau", "plateau", "plateau", "rest", "rest"],
            id="rest begins ten minutes after the load ends",
        ),
        pytest.param(
            [3.3] * 5,
            [0.0, 0.0, NAN, 0.0, 0.0],
            [0.5] * 5,
            ["plateau", "plateau", "plateau", "plateau"],
            id="a current that is not known is no rest",
        ),
        pytest.param(
            [3.3] * 5, None, None, ["plateau"] * 4, id="without a current no rest is seen"
        ),
        pytest.param(
            [3.3] * 4,
            [50.0] * 4,
            [0.9, 0.5, 0.1, 0.5],
            ["steep", "plateau", "steep"],
            id="by charge",
        ),
        pytest.param(
            [3.3] * 5,
            [0.0] * 5,
            [0.9] * 5,
            ["steep", "steep", "steep_rest", "steep_rest"],
            id="rest at a steep end",
        ),
        pytest.param([3.2, 3.3, 3.3, 3.3], None, None, ["steep", "steep", "plateau"], id="low"),
        pytest.param([3.43, 3.43, 3.43], None, None, ["steep", "steep"], id="high"),
        pytest.param(
            [3.30, 3.331, 3.331, 3.331],
            None,
            None,
            ["plateau", "steep", "plateau"],
            id="a median that moves 31 mV in five minutes",
        ),
        pytest.param(
            [NAN, 3.3, 3.3], None, None, ["unknown", "plateau"], id="without voltages nothing"
        ),
    ],
)
def test_regimes(
    volts: list[float],
    amperes: list[float] | None,
    soc: list[float] | None,
    expected: list[str],
) -> None:
    assert seen(volts, amperes, soc) == expected
