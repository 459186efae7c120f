"""The example records of the contract, made by the real pipeline.

``python -m tests.schemas.examples`` writes those that are missing; one that is committed stays, for
what was written once must be read for ever.
"""

from pathlib import Path

import msgspec
import numpy as np

import schemas
from schemas.battery import AnomalyModelRecord
from schemas.results import ProgressRecord
from stream_app.codec.anomaly_model import version_of
from stream_app.codec.battery import encode_battery
from stream_app.codec.results import Output, encode_outputs
from stream_app.codec.results_battery import encode_battery_outputs, encode_meter_outputs
from stream_app.codec.telemetry import encode
from stream_app.core.battery import (
    Battery,
    CellSamples,
    MeterPoint,
    MeterSamples,
    SystemSamples,
)
from stream_app.core.battery_system import BatteryState, fold_battery
from stream_app.core.messages import (
    Configure,
    CorrectionBegin,
    CorrectionEnd,
    EndOfData,
    Heartbeat,
    PowerSamples,
)
from stream_app.core.meters import MeterState, fold_meter
from stream_app.core.topology import PowerBlock, Rules
from stream_app.pipeline import BlockState, fold

FOLDER = Path(schemas.__file__).parent / "examples"

MIDNIGHT_MS = 1_717_164_000_000  # 2024-06-01T00:00+10:00
QUARTER_MS = 900_000

BLOCK = PowerBlock(
    site="north",
    block="1A1PCS1",
    zone="Australia/Sydney",
    inputs={
        "1": {"1A1BAT1": 0.5, "1A1BAT2": 0.5},
        "2": {"1A1BAT3": 0.5, "1A1BAT4": 0.5},
    },
    rules=Rules(rating_w=1_500_000.0, correction_ms=172_800_000),
)
POWER = PowerSamples(
    MIDNIGHT_MS + QUARTER_MS * np.array([0, 1, 2, 8], dtype=np.int64),
    {
        "1": np.array([250e3, -125e3, 1_600e3, 300e3]),
        "2": np.array([240e3, np.nan, 610e3, 290e3]),
    },
)
LATE = PowerSamples(np.array([MIDNIGHT_MS], dtype=np.int64), {"2": np.array([-130e3])})
CORRECTION = CorrectionBegin("north-7c0ffee", MIDNIGHT_MS, MIDNIGHT_MS + 86_400_000)
END = EndOfData(MIDNIGHT_MS + 9 * QUARTER_MS)


BATTERY = Battery(
    site="north",
    system="1A1BAT1",
    zone="Australia/Sydney",
    packs={"1": 6},
    capacity_ah=280.0,
    energy_wh=5376.0,
    commissioned="2023-05-31",
    signals={"fa1_level": "max"},
    own_limits={"temperature_max_c": 60.0},
    own_rules={"soc_full_ratio": 0.99},
)
MINUTE_MS = 60_000
MINUTES = MIDNIGHT_MS + MINUTE_MS * np.array([0, 1, 2, 3, 4, 5, 1440, 1441], dtype=np.int64)
VOLTAGES = 3.301 + 0.001 * np.arange(6) + np.zeros((8, 1))
VOLTAGES[2:4, 4] = 3.66
CELLS = CellSamples(
    "1",
    MINUTES,
    voltage_v=VOLTAGES,
    temperature_c=24.5 + 0.1 * np.arange(6) + np.zeros((8, 1)),
    current_a=np.array([0.0, -40.0, -40.0, -40.0, -40.0, 0.0, 0.0, 0.0]),
    soc_ratio=np.array([0.5, 0.5, 0.5, np.nan, 0.51, 0.51, 0.51, 0.51]),
)
LATE_CELLS = CellSamples("1", MINUTES[:1], voltage_v=VOLTAGES[:1])
SYSTEM = SystemSamples(
    MINUTES,
    {
        "soc_ratio": np.array([0.5, 0.5, 0.5, np.nan, 0.51, 0.51, 0.51, 0.51]),
        "current_a": np.array([0.0, -40.0, -40.0, -40.0, -40.0, 0.0, 0.0, 0.0]),
    },
)
METER_POINT = MeterPoint("north", "grid", "Australia/Sydney")
METER = MeterSamples(
    MIDNIGHT_MS + QUARTER_MS * np.array([0, 1, 2, 3], dtype=np.int64),
    {
        "power_w": np.array([-40e3, -38e3, 12e3, np.nan]),
        "import_wh": np.array([7.0e6, 7.010e6, 7.015e6, 7.015e6]),
    },
)
BATTERY_END = EndOfData(int(MINUTES[-1]) + MINUTE_MS)


def outputs() -> list[Output]:
    """All records that the pipeline gives for the example telemetry."""
    folded = fold(BlockState(), [Configure(BLOCK), POWER, LATE, END])
    battery = fold_battery(BatteryState(), [BATTERY, SYSTEM, CELLS, LATE_CELLS, BATTERY_END])
    meter = fold_meter(MeterState(), [METER_POINT, METER, END])
    return [
        *encode_outputs(folded),
        *encode_battery_outputs(BATTERY, battery),
        *encode_meter_outputs(METER_POINT, meter),
    ]


def model() -> AnomalyModelRecord:
    """A tree of one cut: a cell that is far from its habits goes right."""
    record = AnomalyModelRecord(
        v=1,
        version="",
        site=BATTERY.site,
        system=BATTERY.system,
        features=["voltage_z"],
        contamination=0.01,
        threshold=0.7,
        back=0.6,
        since="2024-05-01",
        until="2024-05-31",
        windows=1_000,
        learned_with="scikit-learn 1.9.1",
        samples=256,
        usual={"1": np.zeros(6, dtype="<f8").tobytes()},
        sizes=[3],
        feature=np.array([0, -1, -1], dtype="<i1").tobytes(),
        value=np.array([4.5, 10.0, 1.0], dtype="<f8").tobytes(),
        right=np.array([2, 0, 0], dtype="<i4").tobytes(),
        scores={"1": np.tile([0.8, 0.7], 6).astype("<f8").tobytes()},
    )
    return msgspec.structs.replace(record, version=version_of(record))


def make() -> dict[str, bytes]:
    """One encoded record of each kind, by the name of its model."""
    first: dict[str, bytes] = {}
    for output in outputs():
        of_battery = b"/battery/" in output.key
        first.setdefault(
            output.topic.suffix + (" of a battery" if of_battery else ""), output.value
        )
    progress = ProgressRecord(
        v=1,
        replay="north-2024-06",
        file="june.parquet",
        row=4096,
        rows_published=4096,
        event_time="2024-07-13T14:00:00.000Z",
        complete=False,
    )
    return {
        "TopologyRecord": encode(Configure(BLOCK)),
        "PowerRecord": encode(POWER),
        "HeartbeatRecord": encode(Heartbeat(MIDNIGHT_MS)),
        "EndOfDataRecord": encode(END),
        "CorrectionBeginRecord": encode(CORRECTION),
        "CorrectionEndRecord": encode(CorrectionEnd(CORRECTION.id)),
        "RollupRecord": first["rollup.15min.v1"],
        "DailyRecord": first["energy.daily.v1"],
        "AlarmRecord": first["alarm.events.v1"],
        "FindingRecord": first["finding.v1"],
        "TooLateRecord": first["too-late.v1"],
        "BatteryRecord": encode_battery(BATTERY),
        "AnomalyModelRecord": msgspec.json.encode(model()),
        "CellsRecord": encode_battery(CELLS),
        "SystemRecord": encode_battery(SYSTEM),
        "MeterPointRecord": encode_battery(METER_POINT),
        "MeterRecord": encode_battery(METER),
        "CellWindowsRecord": first["cells.5min.v1 of a battery"],
        "SignalWindowsRecord": first["signals.5min.v1 of a battery"],
        "CriticalCellsRecord": first["cells.critical.v1 of a battery"],
        "HealthDayRecord": first["health.daily.v1 of a battery"],
        "MeterDayRecord": first["meter.daily.v1"],
        "BatteryAlarmRecord": first["alarm.events.v1 of a battery"],
        "BatteryFindingRecord": first["finding.v1 of a battery"],
        "LateRowsRecord": first["too-late.v1 of a battery"],
        "ProgressRecord": msgspec.json.encode(progress),
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, value in make().items():
        path = FOLDER / f"{name}.json"
        if not path.exists():
            path.write_bytes(value)
