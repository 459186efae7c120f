"""The newest values of each meter, for the live view."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.samples import Sample

from stream_app.core.meter_day import COUNTERS, FLOWS, POWER, MeterDay
from stream_app.core.meters import MeterState
from stream_app.metrics.metric import Metric
from stream_app.metrics.of_meters import (
    METER_AGREES,
    METER_ENERGY,
    METER_EVALUABLE,
    METER_LAST_SAMPLE,
    METER_POWER,
)

J_PER_KWH = 3_600_000
ENERGIES = {"power": "{}_kwh", "counter": "{}_counter_kwh"}
"""Name of the energy of a flow on a day, by what told it."""
METER_INDICATORS = (
    *(f"{name}_kwh" for name in FLOWS),
    "power_factor_mean",
    *(f"{name}_counter_kwh" for name in COUNTERS),
    *(f"{name}_difference_kwh" for name in FLOWS),
)
"""Those that are told to be evaluable or not; the rest hang on the same reasons."""
GOOD = "evaluable"


@dataclass(frozen=True)
class MeterReading:
    """What is told of one meter: a snapshot, never changed.

    Attributes
    ----------
    power_w
        Newest power, + = export [W].
    last_sample_s
        Event time of its newest row, Unix seconds.
    day
        The newest day that was told of.
    """

    site: str
    meter: str
    power_w: float | None
    last_sample_s: float | None
    day: MeterDay | None


def meter_reading(state: MeterState) -> MeterReading | None:
    """Extract what Prometheus sees of a meter; None while its record is unknown."""
    point = state.point
    if point is None:
        return None
    power, newest = state.samples[POWER], state.clock.clock.now
    return MeterReading(
        point.site,
        point.meter,
        None if power is None else power[1] / 1000,
        None if newest is None else newest / 1000,
        state.newest,
    )


def meter_samples(readings: Sequence[MeterReading]) -> Iterator[tuple[Metric, list[Sample]]]:
    """Samples of each metric of meters; none where there is no value."""
    for metric, told in _OF_METER:
        yield (
            metric,
            [
                Sample(metric.name, {"site": each.site, "meter": each.meter} | more, value)
                for each in readings
                for more, value in told(each)
                if value is not None
            ],
        )


Told = Iterator[tuple[dict[str, str], float | None]]


def _power(reading: MeterReading) -> Told:
    yield {}, reading.power_w


def _last_sample(reading: MeterReading) -> Told:
    yield {}, reading.last_sample_s


def _energy(reading: MeterReading) -> Told:
    values = reading.day.values if reading.day else {}
    for flow in FLOWS:
        for source, name in ENERGIES.items():
            kwh = values.get(name.format(flow))
            yield {"flow": flow, "source": source}, None if kwh is None else kwh * J_PER_KWH


def _agrees(reading: MeterReading) -> Told:
    for flow, verdict in reading.day.verdicts.items() if reading.day else ():
        yield {"flow": flow}, float(verdict == "agrees")


def _evaluable(reading: MeterReading) -> Told:
    for name in METER_INDICATORS if reading.day else ():
        reason = reading.day.missing.get(name, GOOD) if reading.day else GOOD
        yield {"indicator": name, "reason": reason}, float(reason == GOOD)


_OF_METER: tuple[tuple[Metric, Callable[[MeterReading], Told]], ...] = (
    (METER_POWER, _power),
    (METER_LAST_SAMPLE, _last_sample),
    (METER_ENERGY, _energy),
    (METER_AGREES, _agrees),
    (METER_EVALUABLE, _evaluable),
)
