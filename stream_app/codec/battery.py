"""Bytes of battery and meter records to messages and back; a bad record is a ValueError."""

from collections.abc import Mapping
from zoneinfo import ZoneInfoNotFoundError

import msgspec
import numpy as np

from schemas.battery import (
    AnomalyModelRecord,
    BatteryRecord,
    BatteryRulesRecord,
    CellsRecord,
    Column,
    MeterPointRecord,
    MeterRecord,
    PackRecord,
    Rows,
    SystemRecord,
)
from schemas.telemetry import EndOfDataRecord, HeartbeatRecord
from stream_app.codec.anomaly_model import model_under
from stream_app.codec.battery_records import Message, Record, record_of
from stream_app.codec.checks import (
    check_date,
    check_names,
    check_zone,
    milliseconds,
    other_version,
)
from stream_app.codec.limits import (
    COLUMNS_OF_A_WINDOW,
    EARLIEST_MS,
    LARGEST_CELL_C,
    LARGEST_CELL_V,
    LARGEST_METER_W,
    LARGEST_RATIO,
    LARGEST_SIGNAL,
    LARGEST_STRING_A,
    LARGEST_VALUE,
    LATEST_MS,
    LONGEST_NAME,
    MOST_CELLS,
    MOST_PACKS,
    MOST_ROWS,
    MOST_SIGNALS,
    MOST_WINDOW_VALUES,
)
from stream_app.codec.packed import decode_packed, encode_packed, is_packed
from stream_app.core.battery import (
    STALE_MS,
    Battery,
    BatteryRules,
    CellSamples,
    MeterPoint,
    MeterSamples,
    SystemSamples,
    Values,
)
from stream_app.core.calendar import SLOT_MS
from stream_app.core.cells.forest import AnomalyModel
from stream_app.core.cells.limits import PRESETS, objection_to_limits
from stream_app.core.charge.rules import objection_to_rules
from stream_app.core.energy import Floats, Ints
from stream_app.core.messages import EndOfData, Heartbeat
from stream_app.keys import subject_of

BatteryMessage = Message | AnomalyModel

_decoder: msgspec.json.Decoder[Record | AnomalyModelRecord] = msgspec.json.Decoder(
    Record | AnomalyModelRecord
)
_encoder = msgspec.json.Encoder()

_RANGES = {
    "voltage_v": (LARGEST_CELL_V, "V"),
    "temperature_c": (LARGEST_CELL_C, "degC"),
    "current_a": (LARGEST_STRING_A, "A"),
    "soc_ratio": (LARGEST_RATIO, "(a ratio: 1 is full)"),
}


def decode_battery(key: str, value: bytes) -> BatteryMessage:
    """One record of a battery system or a meter; cells may also be packed.

    Parameters
    ----------
    key
        ``site/battery/system`` or ``site/meter/name``.

    Raises
    ------
    ValueError
        The record cannot be used; the text says where and what to do.
    """
    if len(value) > LARGEST_VALUE:
        raise ValueError(f"the record has {len(value)} bytes; at most {LARGEST_VALUE} are read")
    message = _message(key, value)
    subject = subject_of(key)
    if subject == "meter" and isinstance(
        message, Battery | AnomalyModel | CellSamples | SystemSamples
    ):
        raise _misplaced(key, "a battery system")
    if subject == "battery" and isinstance(message, MeterPoint | MeterSamples):
        raise _misplaced(key, "a meter")
    return message


def _misplaced(key: str, whose: str) -> ValueError:
    return ValueError(f"a record of {whose} came under the key {key}: correct the key")


def _message(key: str, value: bytes) -> BatteryMessage:
    if is_packed(value):
        return _checked(decode_packed(value))
    try:
        record = _decoder.decode(value)
    except RecursionError:
        raise ValueError("the JSON is nested too deep") from None
    except msgspec.ValidationError as fault:
        other = other_version(value)
        if other is None:
            raise
        raise other from fault
    if isinstance(record, CellsRecord):
        return _cells(record)
    if isinstance(record, SystemRecord | MeterRecord):
        return _signals(record)
    if isinstance(record, HeartbeatRecord | EndOfDataRecord):
        _check_times("t", np.array([record.t]))
        return Heartbeat(record.t) if isinstance(record, HeartbeatRecord) else EndOfData(record.t)
    if isinstance(record, AnomalyModelRecord):
        return model_under(key, record)
    return _topology(key, record)


def encode_battery(message: BatteryMessage, *, packed: bool = False) -> bytes:
    """One message as JSON; with ``packed`` cells become binary."""
    if packed and isinstance(message, CellSamples):
        return encode_packed(message)
    if isinstance(message, AnomalyModel):
        return message.data
    return _encoder.encode(record_of(message))


def _cells(record: CellsRecord) -> CellSamples:
    times = _times(record.t)
    return _checked(
        CellSamples(
            record.pack,
            times,
            _matrix("voltage_v", record.voltage_v, times.size),
            _matrix("temperature_c", record.temperature_c, times.size),
            _column("current_a", record.current_a, times.size),
            _column("soc_ratio", record.soc_ratio, times.size),
        )
    )


def _times(times: list[int]) -> Ints:
    if not 1 <= len(times) <= MOST_ROWS:
        raise ValueError(f"t has {len(times)} times; it must have 1 to {MOST_ROWS}")
    try:
        return np.array(times, dtype=np.int64)
    except OverflowError:
        raise ValueError("a time in t lies outside 1971-2109; t is in milliseconds UTC") from None


def _matrix(name: str, rows: Rows | None, size: int) -> Floats | None:
    if rows is None:
        return None
    if len(rows) != size:
        raise ValueError(f"{name} has {len(rows)} rows for {size} times")
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise ValueError(f"the rows of {name} have {min(widths)} to {max(widths)} cells: not equal")
    if not 1 <= max(widths) <= MOST_CELLS:
        raise ValueError(f"{name} has {max(widths)} cells a row; it must have 1 to {MOST_CELLS}")
    return np.array(rows, dtype=np.float64)


def _column(name: str, values: Column | None, size: int) -> Floats | None:
    if values is None:
        return None
    if len(values) != size:
        raise ValueError(f"{name} has {len(values)} values for {size} times")
    return np.array(values, dtype=np.float64)


def _checked(samples: CellSamples) -> CellSamples:
    check_names("pack", [samples.pack])
    _check_times("t", samples.times)
    if samples.voltage_v is None and samples.temperature_c is None:
        raise ValueError("the record has neither voltage_v nor temperature_c")
    for name, (largest, unit) in _RANGES.items():
        values: Values | None = getattr(samples, name)
        if values is not None:
            _check_range(name, values, largest, unit)
    matrices = (samples.voltage_v, samples.temperature_c)
    _check_windows(samples.times, max(each.shape[1] for each in matrices if each is not None))
    return samples


def _check_range(name: str, values: Values, largest: float, unit: str = "") -> None:
    # NaN is no value; it fails the quick look, and the thorough one leaves it out.
    if not np.abs(values).max() <= largest and (np.abs(values) > largest).any():
        raise ValueError(f"a value in {name} is beyond {largest:g} {unit}".rstrip())


def _check_windows(times: Ints, columns: int) -> None:
    """Refuse rows so far apart that a small record would make a large state and many results."""
    width = columns + COLUMNS_OF_A_WINDOW
    if times.size * width <= MOST_WINDOW_VALUES:
        return
    windows = np.unique(times // SLOT_MS).size
    if windows * width > MOST_WINDOW_VALUES:
        raise ValueError(
            f"the {times.size} rows of {columns} columns lie in {windows} windows of five minutes; "
            f"at most {MOST_WINDOW_VALUES // width} are read of a record so wide: "
            "send it as several"
        )


def _check_times(name: str, times: Ints) -> None:
    if times.min() < EARLIEST_MS or times.max() >= LATEST_MS:
        raise ValueError(f"a time in {name} lies outside 1971-2109; it is in milliseconds UTC")


def _signals(record: SystemRecord | MeterRecord) -> SystemSamples | MeterSamples:
    times = _times(record.t)
    _check_times("t", times)
    if not 1 <= len(record.values) <= MOST_SIGNALS:
        count = len(record.values)
        raise ValueError(f"values has {count} signals; it must have 1 to {MOST_SIGNALS}")
    check_names("signal", record.values)
    values: dict[str, Floats] = {}
    for name, column in record.values.items():
        found = _column(f"values[{name!r}]", column, times.size)
        assert found is not None
        _check_range(f"values[{name!r}]", found, LARGEST_SIGNAL)
        values[name] = found
    _check_windows(times, len(values))
    kind = SystemSamples if isinstance(record, SystemRecord) else MeterSamples
    return kind(times, values)


def _topology(key: str, record: BatteryRecord | MeterPointRecord) -> Battery | MeterPoint:
    try:
        check_zone(record.zone)
    except ZoneInfoNotFoundError as fault:
        raise ValueError(str(fault.args[0])) from fault
    found = _battery(record) if isinstance(record, BatteryRecord) else _meter_point(record)
    if found.key != key:
        raise ValueError(f"the record of {found.key} came under the key {key}")
    return found


def _battery(record: BatteryRecord) -> Battery:
    _check_parts(record.site, record.system)
    _check_packs(record.packs)
    for name, rating in (("capacity_ah", record.capacity_ah), ("energy_wh", record.energy_wh)):
        if rating is not None and not 0 < rating <= LARGEST_SIGNAL:
            raise ValueError(f"{name} is {rating:g}; it must be above 0, or null if not known")
    if record.efc_before is not None and not 0 <= record.efc_before <= LARGEST_SIGNAL:
        raise ValueError(f"efc_before is {record.efc_before:g}; it must be 0 or more, or null")
    if record.commissioned is not None:
        check_date(record.commissioned)
    if len(record.signals) > MOST_SIGNALS:
        raise ValueError(f"signals has {len(record.signals)}; at most {MOST_SIGNALS} are read")
    check_names("signal", record.signals)
    if record.limits not in PRESETS:
        name, known = record.limits[:LONGEST_NAME], ", ".join(PRESETS)
        raise ValueError(f"there is no preset of limits {name!r}; there are {known}")
    objection = objection_to_limits(record.limits, record.own_limits)
    objection = objection or objection_to_rules(record.own_rules)
    if objection:
        raise ValueError(objection)
    return Battery(
        site=record.site,
        system=record.system,
        zone=record.zone,
        packs={name: pack.cells for name, pack in record.packs.items()},
        rules=_rules(record.rules),
        chemistry=record.chemistry,
        limits=record.limits,
        capacity_ah=record.capacity_ah,
        energy_wh=record.energy_wh,
        commissioned=record.commissioned,
        efc_before=record.efc_before,
        signals=record.signals,
        own_limits=record.own_limits,
        own_rules=record.own_rules,
    )


def _meter_point(record: MeterPointRecord) -> MeterPoint:
    _check_parts(record.site, record.meter)
    rating = record.rating_w
    if rating is not None and not 0 < rating <= LARGEST_METER_W:
        raise ValueError(f"rating_w is {rating:g}; it must be above 0, at most {LARGEST_METER_W:g}")
    return MeterPoint(
        record.site,
        record.meter,
        record.zone,
        milliseconds("interval_s", record.interval_s, least=1),
        milliseconds("max_gap_s", record.max_gap_s, least=1),
        milliseconds("skew_s", record.skew_s),
        _signal_gaps(record.signal_gaps_s),
        rating,
    )


def _check_parts(site: str, name: str) -> None:
    check_names("the key", (site, name))
    if "/" in site + name:
        raise ValueError(f"the names {site!r} and {name!r} must have no slash: they are the key")


def _check_packs(packs: Mapping[str, PackRecord]) -> None:
    if len(packs) > MOST_PACKS:
        raise ValueError(f"the battery has {len(packs)} packs; at most {MOST_PACKS} are read")
    check_names("pack", packs)
    for name, pack in packs.items():
        if not 1 <= pack.cells <= MOST_CELLS:
            raise ValueError(f"pack {name} has {pack.cells} cells; it must have 1 to {MOST_CELLS}")


def _rules(record: BatteryRulesRecord) -> BatteryRules:
    if not 0 <= record.rest_a <= LARGEST_STRING_A:
        raise ValueError(f"rest_a is {record.rest_a:g} A; it must be 0 to {LARGEST_STRING_A:g}")
    cells, stale = record.cells_gap_s, record.stale_s
    return BatteryRules(
        interval_ms=milliseconds("interval_s", record.interval_s, least=1),
        max_gap_ms=milliseconds("max_gap_s", record.max_gap_s, least=1),
        skew_ms=milliseconds("skew_s", record.skew_s),
        rest_a=record.rest_a,
        rest_ms=milliseconds("rest_s", record.rest_s),
        cells_gap_ms=None if cells is None else milliseconds("cells_gap_s", cells, least=1),
        signal_gaps_ms=_signal_gaps(record.signal_gaps_s),
        stale_ms=STALE_MS if stale is None else milliseconds("stale_s", stale),
    )


def _signal_gaps(gaps: Mapping[str, float]) -> dict[str, int]:
    if len(gaps) > MOST_SIGNALS:
        raise ValueError(f"signal_gaps_s has {len(gaps)}; at most {MOST_SIGNALS} are read")
    check_names("signal", gaps)
    return {name: milliseconds(f"the gap of {name}", gap, least=1) for name, gap in gaps.items()}
