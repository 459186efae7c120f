"""The state of a battery system in parts, so that a chunk writes only what it changed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from stream_app.codec.anomaly_model import load_model
from stream_app.codec.cells_state import restore_cells, snapshot_cells
from stream_app.codec.health import restore, snapshot
from stream_app.core.battery import Battery
from stream_app.core.battery_system import (
    MODEL,
    PAST,
    PRESENT,
    TOPOLOGY,
    BatteryState,
    Part,
    pack_part,
)
from stream_app.core.cells.fold import CellsState
from stream_app.core.cells.messages import Temper
from stream_app.core.cells.pack import ColdPack, HotPack, PackState, WarmPack
from stream_app.core.health.state import Past, Present, SystemState

Read = Callable[[Part], bytes | None]
"""Bytes of the part of a state with this name; None where there is none."""

NEWEST_DAY: Part = ("newest", "health")
"""Part with the newest record of the health, for readers; a fold does not read it."""


def newest_windows(pack: str, resolution: str) -> Part:
    """Part with the newest record of a pack's windows, for readers."""
    return "newest", "cells", pack, resolution


def newest_signals(resolution: str) -> Part:
    """Part with the newest record of windows of the system's signals, for readers."""
    return "newest", "signals", resolution


def newest_critical(pack: str) -> Part:
    """Part with the newest table of a pack's critical cells, for readers."""
    return "newest", "critical", pack


@dataclass
class _Topology:
    """The battery, and the number of cells of each pack that it has or had."""

    battery: Battery | None = None
    packs: dict[str, int] = field(default_factory=dict)


def load_battery(read: Read) -> BatteryState:
    """The state that the parts hold; an empty one where there are none.

    Raises
    ------
    ValueError
        A part is missing, is not such a state, or is of a version that this program cannot read.
    """
    topology = restore(_Topology, read(TOPOLOGY))
    packs = {name: _pack(read, name, cells) for name, cells in topology.packs.items()}
    health = SystemState(restore(Present, read(PRESENT)), restore(Past, read(PAST)))
    data = read(MODEL)
    model = None if data is None else load_model(data)
    return BatteryState(CellsState(topology.battery, packs, model), health)


def battery_of(root: bytes | None) -> Battery | None:
    """The battery that the part without a name holds.

    Raises
    ------
    ValueError
        It cannot be read.
    """
    return restore(_Topology, root).battery


def save_battery(state: BatteryState, parts: Iterable[Part] | None = None) -> dict[Part, bytes]:
    """The named parts, or all; equal states give equal bytes."""
    names = state.parts if parts is None else parts
    return {name: _saved(state, name) for name in sorted(names)}


def _saved(state: BatteryState, part: Part) -> bytes:
    if part == TOPOLOGY:
        sizes = {name: each.cells for name, each in state.cells.packs.items()}
        return snapshot(_Topology(state.cells.battery, sizes))
    if part in (PRESENT, PAST):
        return snapshot(state.health.present if part == PRESENT else state.health.past)
    if part == MODEL:
        assert state.cells.model is not None
        return state.cells.model.data
    _, name, temper = part
    return snapshot_cells(getattr(state.cells.packs[name], temper))


def _pack(read: Read, name: str, cells: int) -> PackState:
    return PackState(
        cells,
        restore_cells(_there(read, name, "hot"), HotPack),
        restore_cells(_there(read, name, "warm"), WarmPack),
        restore_cells(_there(read, name, "cold"), ColdPack),
    )


def _there(read: Read, pack: str, temper: Temper) -> bytes:
    found = read(pack_part(pack, temper))
    if found is None:
        raise ValueError(f"the {temper} part of pack {pack} is missing")
    return found
