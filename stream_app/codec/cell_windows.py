"""Windows of cells as records."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from schemas import topics
from schemas.results_battery import CellWindowsRecord, Column, Rows
from stream_app.codec.results import MOST_VALUES, Output, output
from stream_app.core.battery import Battery
from stream_app.core.cells.charge import CHARGE_NAMES, PackHealth
from stream_app.core.cells.evaluability import Evaluable
from stream_app.core.cells.limits import REGIMES
from stream_app.core.cells.messages import CellWindows
from stream_app.core.cells.quantities import MISSING
from stream_app.core.cells.sums import Cell, Pack
from stream_app.core.energy import Floats, Ints

DECIMALS_V, DECIMALS_C = 6, 3
"""uV and m degC, as values come in; means are rounded to them."""
DECIMALS_Z = 3
LONG = ("1h", "1d")
"""Windows that say the robust z of each cell: in short ones the deviation does."""
DECIMALS, DECIMALS_OF_A_RATE = 6, 8
"""Of every other number: mWh, uAh, ppm; a rate per month is some ppm."""


def cell_records(battery: Battery, windows: CellWindows) -> Iterator[Output]:
    """A run of windows in as many records as it takes."""
    step = max(1, MOST_VALUES // windows.sums.cells.shape[2])
    for first in range(0, windows.size, step):
        yield cell_windows(battery, windows.between(first, first + step))


def cell_windows(battery: Battery, windows: CellWindows) -> Output:
    """A record of windows of one pack."""
    key = f"{battery.key}/{windows.pack}"
    topic, record = topics.CELLS[windows.resolution], _record(battery, key, windows)
    return output(topic, key, record, int(windows.starts[0]))


def _record(battery: Battery, key: str, windows: CellWindows) -> CellWindowsRecord:
    sums, regimes = windows.sums, windows.regimes
    return CellWindowsRecord(
        v=1,
        id=f"{key}/{windows.resolution}",
        site=battery.site,
        system=battery.system,
        zone=battery.zone,
        pack=windows.pack,
        resolution=windows.resolution,  # type: ignore[arg-type]
        final=windows.final,
        start=windows.starts.tolist(),
        end=windows.ends.tolist(),
        revision=windows.revisions.tolist(),
        rows=sums.pack[Pack.ROWS].tolist(),
        gaps=sums.pack[Pack.GAPS].tolist(),
        voltage_samples=sums.cells[Cell.V_COUNT].tolist(),
        temperature_samples=sums.cells[Cell.T_COUNT].tolist(),
        voltage_min_v=_rows(windows.voltage_min_v, DECIMALS_V),
        voltage_mean_v=_rows(windows.voltage_mean_v, DECIMALS_V),
        voltage_max_v=_rows(windows.voltage_max_v, DECIMALS_V),
        voltage_deviation_v=_rows(windows.voltage_deviation_v, DECIMALS_V),
        temperature_mean_c=_rows(windows.temperature_mean_c, DECIMALS_C),
        temperature_max_c=_rows(windows.temperature_max_c, DECIMALS_C),
        temperature_deviation_c=_rows(windows.temperature_deviation_c, DECIMALS_C),
        temperature_rise_c_per_s=_rows(windows.temperature_rise_c_per_s, DECIMALS_C),
        voltage_spread_v=_column(windows.voltage_spread_v, DECIMALS_V),
        temperature_spread_c=_column(windows.temperature_spread_c, DECIMALS_C),
        p1_mv=_known(windows.p1_mv),
        p99_mv=_known(windows.p99_mv),
        worst_cell=_known(windows.worst_cell),
        voltage_z=_rows(windows.voltage_z, DECIMALS_Z) if windows.resolution in LONG else None,
        temperature_influence=(
            None if windows.influence is None else _rows(windows.influence, DECIMALS_Z)
        ),
        **_charge(windows),
        regime=None if regimes is None else [REGIMES[each] for each in regimes.tolist()],
        evaluability=None if windows.evaluable is None else _plain(windows.evaluable),
    )


def _charge(windows: CellWindows) -> dict[str, Any]:
    """Charge, health and imbalance of days, and why they cannot be told."""
    if windows.charge is None:
        return {}
    told = [PackHealth({}, {}) if each is None else each for each in windows.charge]
    values = [indicators(each.values) for each in told]
    columns = {name: [each.get(name) for each in values] for name in CHARGE_NAMES}
    return {**columns, "missing": [dict(each.missing) for each in told]}


def _plain(evaluable: Evaluable) -> list[dict[str, dict[str, int]]]:
    return [{str(name): each for name, each in counts.items()} for counts in evaluable]


def _rows(values: Floats, decimals: int) -> Rows:
    rows: Rows = _rounded(values, decimals).tolist()
    return rows


def _column(values: Floats, decimals: int) -> Column:
    column: Column = _rounded(values, decimals).tolist()
    return column


def _rounded(values: Floats, decimals: int) -> Floats:
    # Adding 0 makes -0.0 a plain 0. The encoder writes NaN as null.
    found: Floats = np.round(values, decimals) + 0.0
    return found


def indicators(values: Mapping[str, float]) -> dict[str, float]:
    """Indicators as they are published: further digits only tell how the machine rounds."""
    return {
        name: round(value, DECIMALS_OF_A_RATE if "_per_month" in name else DECIMALS) + 0.0
        for name, value in values.items()
    }


def _known(values: Ints) -> list[int | None]:
    return [None if each == MISSING else each for each in values.tolist()]
