"""The metrics of battery systems and their packs; the catalogue has them all."""

from stream_app.metrics.metric import Metric

_SYSTEM = ("site", "system")
_PACK = ("site", "system", "pack")
SOC = Metric(
    "bess_battery_soc_ratio",
    "gauge",
    "ratio",
    _SYSTEM,
    "Newest state of charge of the battery system, as its BMS says.",
)
CAPACITY = Metric(
    "bess_battery_capacity_kilowatthours",
    "gauge",
    "kWh",
    _SYSTEM,
    "Rated energy of the battery system, times its measured health where the ledger tells it.",
)
BATTERY_LAST_SAMPLE = Metric(
    "bess_battery_last_sample_timestamp_seconds",
    "gauge",
    "s",
    _SYSTEM,
    "Event time of the newest row of the battery system, Unix seconds.",
)
SOH = Metric(
    "bess_battery_soh_ratio",
    "gauge",
    "ratio",
    (*_SYSTEM, "source"),
    "State of health at the end of the newest day, of each source that can tell it.",
)
IMBALANCE = Metric(
    "bess_battery_imbalance_volts",
    "gauge",
    "V",
    _SYSTEM,
    "Mean spread of the cell voltages at rest on the newest day.",
)
EVALUABLE = Metric(
    "bess_battery_evaluable",
    "gauge",
    "bool",
    (*_SYSTEM, "indicator", "reason"),
    "1 if the newest data can support the indicator, else 0 and the reason why not.",
)
ALARMS = Metric(
    "bess_battery_alarms",
    "gauge",
    "alarms",
    (*_SYSTEM, "priority", "rule"),
    "Alarms of the battery system, its packs and cells that stand; only where one does.",
)
UNKNOWN_SIGNALS = Metric(
    "bess_battery_unknown_signals",
    "gauge",
    "signals",
    _SYSTEM,
    "Names in the battery system's records that are no signals of it; their values are ignored.",
)
CELL_V_MIN = Metric(
    "bess_pack_cell_voltage_min_volts",
    "gauge",
    "V",
    _PACK,
    "Lowest cell voltage in the newest row of the pack.",
)
CELL_V_MAX = Metric(
    "bess_pack_cell_voltage_max_volts",
    "gauge",
    "V",
    _PACK,
    "Highest cell voltage in the newest row of the pack.",
)
CELL_C_MAX = Metric(
    "bess_pack_cell_temperature_max_celsius",
    "gauge",
    "degC",
    _PACK,
    "Highest cell temperature in the newest row of the pack.",
)
CELL_V_MEAN = Metric(
    "bess_pack_cell_voltage_mean_volts",
    "gauge",
    "V",
    _PACK,
    "Mean cell voltage in the newest row of the pack.",
)
CELL_V_SPREAD = Metric(
    "bess_pack_cell_voltage_spread_volts",
    "gauge",
    "V",
    _PACK,
    "Highest less lowest cell voltage in the newest row of the pack.",
)
WORST_CELL = Metric(
    "bess_pack_worst_cell",
    "gauge",
    "number",
    _PACK,
    "Number of the cell whose voltage lies furthest from the median in the newest row of the pack.",
)
WORST_CELL_V = Metric(
    "bess_pack_worst_cell_deviation_volts",
    "gauge",
    "V",
    _PACK,
    "Voltage of that cell less the median in the newest row of the pack.",
)
CELL_C_MIN = Metric(
    "bess_pack_cell_temperature_min_celsius",
    "gauge",
    "degC",
    _PACK,
    "Lowest cell temperature in the newest row of the pack.",
)
CELL_C_MEAN = Metric(
    "bess_pack_cell_temperature_mean_celsius",
    "gauge",
    "degC",
    _PACK,
    "Mean cell temperature in the newest row of the pack.",
)
CELLS_WITHOUT_V = Metric(
    "bess_pack_cells_without_voltage",
    "gauge",
    "cells",
    _PACK,
    "Cells that have no voltage in the newest row of the pack.",
)
CELLS_WITHOUT_C = Metric(
    "bess_pack_cells_without_temperature",
    "gauge",
    "cells",
    _PACK,
    "Cells that have no temperature in the newest row of the pack.",
)
CRITICAL = Metric(
    "bess_pack_critical_cells",
    "gauge",
    "cells",
    _PACK,
    "Cells of the pack of which a condition stands.",
)

BATTERIES: tuple[Metric, ...] = (
    SOC,
    CAPACITY,
    BATTERY_LAST_SAMPLE,
    SOH,
    IMBALANCE,
    EVALUABLE,
    ALARMS,
    UNKNOWN_SIGNALS,
    CELL_V_MIN,
    CELL_V_MEAN,
    CELL_V_MAX,
    CELL_V_SPREAD,
    WORST_CELL,
    WORST_CELL_V,
    CELLS_WITHOUT_V,
    CELL_C_MIN,
    CELL_C_MEAN,
    CELL_C_MAX,
    CELLS_WITHOUT_C,
    CRITICAL,
)
