"""Battery systems in Redis: what was published of them last, and their states."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from schemas.results_battery import (
    CellWindowsRecord,
    CriticalCellsRecord,
    HealthDayRecord,
    SignalWindowsRecord,
)
from schemas.topics import TELEMETRY
from stream_app.codec.battery_state import (
    NEWEST_DAY,
    battery_of,
    load_battery,
    newest_critical,
    newest_signals,
    newest_windows,
)
from stream_app.core.battery import Battery
from stream_app.core.battery_system import Part
from stream_app.engine.position import Position, behind
from stream_app.engine.view import DamagedViewError, RedisView
from stream_app.keys import PART, subject_of, telemetry_key
from stream_app.reports.battery_data import (
    LEVELS,
    NotFoundError,
    Record,
    SystemData,
    chosen,
    collected,
)
from stream_app.settings import Settings
from stream_app.upkeep.look_battery import BatteryLook, look
from stream_app.upkeep.show import telemetry_ends
from stream_app.upkeep.stores import UpkeepError, open_view

_KINDS: dict[str, type[Record]] = {
    "cells": CellWindowsRecord,
    "critical": CriticalCellsRecord,
    "health": HealthDayRecord,
    "signals": SignalWindowsRecord,
}


@dataclass(frozen=True)
class Held:
    """The state of a battery system in Redis, in parts.

    Attributes
    ----------
    key
        Telemetry key.
    parts
        Bytes by name.
    partition, position
        Where it stands, and which telemetry it stands for.
    """

    key: str
    battery: Battery
    parts: dict[Part, bytes]
    partition: int
    position: Position


async def newest(settings: Settings, asked: str) -> SystemData:
    """What was published last of a system, ``site/system`` or the system alone.

    Raises
    ------
    NotFoundError
        There is no such system in Redis.
    UpkeepError
        Redis does not answer, or is damaged.
    """
    held = await find(settings, asked, _shown)
    names = [
        NEWEST_DAY,
        newest_signals("1d"),
        *(newest_windows(pack, level) for pack in held.battery.packs for level in LEVELS),
        *(newest_critical(pack) for pack in held.battery.packs),
    ]
    records = [
        msgspec.json.decode(held.parts[name], type=_KINDS[name[1]])
        for name in names
        if name in held.parts
    ]
    return collected(held.battery, records)


def _shown(name: Part) -> bool:
    return name[:1] in ((), ("newest",))


async def find(
    settings: Settings, asked: str, wanted: Callable[[Part], bool] = lambda _: True
) -> Held:
    """The parts of a system's state that are wanted, at one instant.

    Raises
    ------
    NotFoundError
        There is no such system in Redis.
    UpkeepError
        Redis does not answer, or is damaged.
    """
    async with open_view(settings) as view:
        try:
            return await _find(view, settings, asked, wanted)
        except DamagedViewError as damage:
            raise UpkeepError(f"{damage}: see `bess state scrub`") from damage


async def _find(
    view: RedisView, settings: Settings, asked: str, wanted: Callable[[Part], bool]
) -> Held:
    places: dict[str, tuple[int, list[bytes]]] = {}
    for number in range(settings.partitions):
        for held in await view.keys(number):
            if subject_of(telemetry_key(held)) == "battery":
                places.setdefault(telemetry_key(held), (number, []))[1].append(held)
    names = {key.replace("/battery/", "/", 1): key for key in places}
    key = names[chosen(names, asked)]
    number, keys = places[key]
    position, values = await view.some(number, [each for each in keys if wanted(_name(each))])
    parts = {_name(each): value for each, value in values.items()}
    return Held(key, _battery(key, parts), parts, number, position)


def _name(key: bytes) -> Part:
    return tuple(each.decode() for each in key.split(PART)[1:])


def _battery(key: str, parts: dict[Part, bytes]) -> Battery:
    try:
        battery = battery_of(parts.get(()))
    except ValueError as fault:
        raise UpkeepError(f"state of {key}: {fault}") from fault
    if battery is None:
        raise NotFoundError(f"of {key} no record of the battery has come yet")
    return battery


@dataclass(frozen=True)
class FoundBattery:
    """A battery system and where its state is; see :class:`stream_app.upkeep.show.Found`."""

    battery: BatteryLook
    partition: int
    changelog: int | None
    folded: int
    lag: int | None
    sizes: dict[str, int]

    def place(self) -> dict[str, object]:
        """Where the state is, for programs."""
        return {
            "partition": self.partition,
            "changelog_offset": self.changelog,
            "next_telemetry_offset": self.folded,
            "lag": self.lag,
            "bytes": self.sizes,
        }


async def show(settings: Settings, asked: str) -> FoundBattery:
    """The state of a system: ``site/battery/system``, ``site/system`` or the system alone.

    Raises
    ------
    NotFoundError
        There is no such system in Redis.
    UpkeepError
        Redis does not answer, or the state cannot be read.
    """
    held = await find(settings, asked.replace("/battery/", "/", 1))
    try:
        battery = look(load_battery(held.parts.get))
    except ValueError as fault:
        raise UpkeepError(f"state of {held.key}: {fault}") from fault
    assert battery is not None
    folded = held.position.offsets.get(TELEMETRY.name(settings.prefix), 0)
    ends = await telemetry_ends(settings, [held.partition])
    lag = behind(folded, ends[held.partition]) if held.partition in ends else None
    sizes = {"/".join(name): len(value) for name, value in held.parts.items()}
    return FoundBattery(
        battery, held.partition, held.position.changelog, folded, lag, dict(sorted(sizes.items()))
    )
