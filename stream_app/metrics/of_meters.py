"""The metrics of meters; the catalogue has them all."""

from stream_app.metrics.metric import Metric

_METER = ("site", "meter")
METER_POWER = Metric(
    "bess_meter_power_watts",
    "gauge",
    "W",
    _METER,
    "Newest power of the meter; + is export.",
)
METER_LAST_SAMPLE = Metric(
    "bess_meter_last_sample_timestamp_seconds",
    "gauge",
    "s",
    _METER,
    "Event time of the newest row of the meter, Unix seconds.",
)
METER_ENERGY = Metric(
    "bess_meter_day_energy_joules",
    "gauge",
    "J",
    (*_METER, "flow", "source"),
    "Energy of the newest local day that was told of, by the power and by the counter.",
)
METER_AGREES = Metric(
    "bess_meter_agrees",
    "gauge",
    "bool",
    (*_METER, "flow"),
    "1 if power and counter agree on that day within their bound, else 0.",
)
METER_EVALUABLE = Metric(
    "bess_meter_evaluable",
    "gauge",
    "bool",
    (*_METER, "indicator", "reason"),
    "1 if that day can tell the indicator, else 0 and the reason why not.",
)

METERS: tuple[Metric, ...] = (
    METER_POWER,
    METER_LAST_SAMPLE,
    METER_ENERGY,
    METER_AGREES,
    METER_EVALUABLE,
)
