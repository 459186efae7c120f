"""Samples as the telemetry topic has them."""

from dataclasses import replace

import msgspec
import numpy as np

from schemas.battery import CellsRecord, MeterRecord, SystemRecord
from stream_app.codec import telemetry
from stream_app.core.battery import CellSamples, MeterSamples, SystemSamples
from stream_app.core.energy import Floats, Ints
from stream_app.core.messages import PowerSamples

Samples = PowerSamples | CellSamples | SystemSamples | MeterSamples

_encoder = msgspec.json.Encoder()


def encode(samples: Samples) -> bytes:
    """One record as JSON; NaN becomes null."""
    if isinstance(samples, PowerSamples):
        return telemetry.encode(samples)
    return _encoder.encode(_record(samples))


def published(samples: Samples, times: Ints, correction: str | None) -> Samples:
    """The same samples at other times, and power as that of a correction if there is one."""
    if isinstance(samples, PowerSamples):
        return replace(samples, times=times, correction=correction)
    return replace(samples, times=times)


def count(samples: Samples) -> int:
    """Count the values that are there."""
    return sum(int(np.isfinite(values).sum()) for values in _arrays(samples))


def _arrays(samples: Samples) -> list[Floats]:
    if isinstance(samples, PowerSamples):
        return list(samples.power_w.values())
    if isinstance(samples, CellSamples):
        both = (samples.voltage_v, samples.temperature_c)
        return [values for values in both if values is not None]
    return list(samples.values.values())


def _record(
    samples: CellSamples | SystemSamples | MeterSamples,
) -> CellsRecord | SystemRecord | MeterRecord:
    times = samples.times.tolist()
    if isinstance(samples, CellSamples):
        return CellsRecord(
            1, samples.pack, times, _rows(samples.voltage_v), _rows(samples.temperature_c)
        )
    values = {name: column.tolist() for name, column in samples.values.items()}
    kind = SystemRecord if isinstance(samples, SystemSamples) else MeterRecord
    return kind(1, times, values)


def _rows(values: Floats | None) -> list[list[float | None]] | None:
    return None if values is None else values.tolist()
