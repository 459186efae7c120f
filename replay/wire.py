"""Samples as the telemetry topic has them."""

from dataclasses import dataclass, replace

import numpy as np

from stream_app.codec.battery import encode_battery
from stream_app.codec.telemetry import encode
from stream_app.core.battery import CellSamples, MeterSamples, SystemSamples, Values
from stream_app.core.energy import Ints
from stream_app.core.messages import PowerSamples

Samples = PowerSamples | CellSamples | SystemSamples | MeterSamples


@dataclass(frozen=True)
class Wire:
    """How samples are written.

    Attributes
    ----------
    correction
        Id of the correction that power belongs to; None: it is counted as it comes.
    packed
        Cells are binary, a quarter of the size; all else is JSON.
    """

    correction: str | None = None
    packed: bool = False

    def value(self, samples: Samples, times: Ints) -> bytes:
        """The samples as a record, at times of the replay's [ms UTC]."""
        if isinstance(samples, PowerSamples):
            return encode(replace(samples, times=times, correction=self.correction))
        return encode_battery(replace(samples, times=times), packed=self.packed)


PLAIN = Wire()


def count(samples: Samples) -> int:
    """Count the values that are there; what cells carry of their string is not theirs."""
    return sum(int(np.isfinite(values).sum()) for values in _arrays(samples))


def _arrays(samples: Samples) -> list[Values]:
    if isinstance(samples, PowerSamples):
        return list(samples.power_w.values())
    if isinstance(samples, CellSamples):
        both = (samples.voltage_v, samples.temperature_c)
        return [values for values in both if values is not None]
    return list(samples.values.values())
