"""The example records of the contract, made by the real pipeline.

``python -m tests.schemas.examples`` writes those that are missing; one that is committed stays, for
what was written once must be read for ever.
"""

from pathlib import Path

import msgspec
import numpy as np

import schemas
from schemas.results import ProgressRecord
from stream_app.codec.results import Output, encode_outputs
from stream_app.codec.telemetry import encode
from stream_app.core.messages import (
    Configure,
    CorrectionBegin,
    CorrectionEnd,
    EndOfData,
    Heartbeat,
    PowerSamples,
)
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


def outputs() -> list[Output]:
    """All records that the pipeline gives for the example telemetry."""
    folded = fold(BlockState(), [Configure(BLOCK), POWER, LATE, END])
    return list(encode_outputs(folded))


def make() -> dict[str, bytes]:
    """One encoded record of each kind, by the name of its model."""
    first: dict[str, bytes] = {}
    for output in outputs():
        first.setdefault(output.topic.suffix, output.value)
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
        "ProgressRecord": msgspec.json.encode(progress),
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, value in make().items():
        path = FOLDER / f"{name}.json"
        if not path.exists():
            path.write_bytes(value)
