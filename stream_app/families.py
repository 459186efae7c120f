"""The kinds of telemetry that the worker folds: power blocks, battery systems, meters.

The key of a record alone says which family it is of. Everything else of the worker, from the
transaction to the dead letters, knows no families.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from stream_app.codec import health, state
from stream_app.codec.battery_state import Read, load_battery, save_battery
from stream_app.codec.results import Output, encode_outputs
from stream_app.codec.results_battery import (
    encode_battery_outputs,
    encode_meter_outputs,
    encode_newest,
)
from stream_app.core.battery_system import (
    BatteryOutputs,
    BatteryState,
    Part,
    SystemMessage,
    fold_battery,
    newest_row,
)
from stream_app.core.messages import Message, Refusal
from stream_app.core.meters import MeterMessage, MeterState, fold_meter
from stream_app.keys import Subject, subject_of
from stream_app.pipeline import BlockState, fold

State = TypeVar("State")


@dataclass
class Step:
    """What messages of one key came to.

    Attributes
    ----------
    records
        To publish.
    refusals
        Places among the messages.
    samples, late
        Samples of power or rows of a battery or meter; how many of them were too late.
    shown
        The newest of what was published, by name: stands beside the state for readers, and no
        fold depends on it.
    touched
        Parts of the state that may have changed; None: all of them.
    """

    records: list[Output] = field(default_factory=list)
    refusals: Sequence[Refusal] = ()
    samples: int = 0
    late: int = 0
    shown: Mapping[Part, bytes] = field(default_factory=dict)
    touched: Collection[Part] | None = None


@dataclass(frozen=True)
class Family(Generic[State]):
    """How the state of a key is read, changed and kept.

    Attributes
    ----------
    load
        The state that parts hold; a ValueError where they cannot be read.
    save
        The named parts of a state, or all; equal states give equal bytes.
    fold
        Folds messages into a state, in order.
    newest_ms
        Newest event time that was folded [ms UTC].
    smaller
        What a person can do if a state or a result is too large.
    """

    load: Callable[[Read], State]
    save: Callable[[State, Collection[Part] | None], Mapping[Part, bytes]]
    fold: Callable[[State, Sequence[Any]], Step]
    newest_ms: Callable[[State], int | None]
    smaller: str


def family_of(key: str) -> Family[Any]:
    """The family of a telemetry key."""
    return FAMILIES[subject_of(key)]


def _fold_power(block: BlockState, messages: Sequence[Message]) -> Step:
    outputs = fold(block, messages)
    late = sum(each.times.size for each in outputs.too_late)
    return Step(list(encode_outputs(outputs)), outputs.refusals, outputs.samples, late)


def _newest_power(block: BlockState) -> int | None:
    times = (each.latest[0] for each in block.inputs.values() if each.latest)
    return max(times, default=None)


def _fold_battery(system: BatteryState, messages: Sequence[SystemMessage]) -> Step:
    return battery_step(system, fold_battery(system, messages))


def battery_step(system: BatteryState, outputs: BatteryOutputs) -> Step:
    """What a fold of a battery gave out, encoded."""
    battery = system.cells.battery
    if battery is None:
        return Step(refusals=outputs.refusals)
    records = list(encode_battery_outputs(battery, outputs))
    late = len(outputs.late) + sum(each.times.size for each in outputs.cells.late)
    shown = encode_newest(battery, outputs, records)
    touched = outputs.touched
    return Step(records, outputs.refusals, outputs.rows, late, shown, touched)


def _fold_meter(meter: MeterState, messages: Sequence[MeterMessage]) -> Step:
    outputs = fold_meter(meter, messages)
    point = outputs.point
    records = [] if point is None else list(encode_meter_outputs(point, outputs))
    return Step(records, outputs.refusals, outputs.rows, len(outputs.late))


POWER = Family(
    load=lambda read: state.restore(read(())),
    save=lambda block, _: {(): state.snapshot(block)},
    fold=_fold_power,
    newest_ms=_newest_power,
    smaller="cut the power block into several, each with fewer DC inputs, enclosures or shares",
)
BATTERY = Family(
    load=load_battery,
    save=save_battery,
    fold=_fold_battery,
    newest_ms=newest_row,
    smaller="cut the battery system into several, or its packs into smaller ones",
)
METER = Family(
    load=lambda read: health.restore(MeterState, read(())),
    save=lambda meter, _: {(): health.snapshot(meter)},
    fold=_fold_meter,
    newest_ms=lambda meter: meter.clock.clock.now,
    smaller="use another name for the meter",
)
FAMILIES: Mapping[Subject, Family[Any]] = {"block": POWER, "battery": BATTERY, "meter": METER}
