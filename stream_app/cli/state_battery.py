"""``bess state show`` of a battery system."""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from stream_app.cli.page import page
from stream_app.cli.times import local_time

if TYPE_CHECKING:
    from stream_app.upkeep.batteries import FoundBattery
    from stream_app.upkeep.look_battery import BatteryLook, Condition, PackLook


def print_battery(found: "FoundBattery") -> None:
    """Print the system, then a line for each pack, then its open windows."""
    each, console = found.battery, page()
    table = Table(title=f"{each.site}/battery/{each.system}", show_header=False)
    for name, text in _lines(found):
        table.add_row(name, text)
    console.print(table)
    packs = Table("pack", "cells", "event clock", "V", "degC", "set aside", "open", "stands")
    for pack in each.packs:
        packs.add_row(*_pack(pack, each.zone))
    console.print(packs)


def _lines(found: "FoundBattery") -> Iterator[tuple[str, str]]:
    each = found.battery
    yield "event clock", local_time(each.clock, each.zone)
    if told := list(_ahead(each)):
        yield "clock is wrong", "\n".join((*told, "see docs/runbooks/BessClockAhead.md"))
    yield "newest values", "\n".join(_signals(each)) or "none"
    yield "ledger counts from", _anchor(each)
    if each.capacity_ah is not None:
        yield "measured capacity", f"{each.capacity_ah:,.1f} Ah"
    yield "open days", ", ".join(local_time(day, each.zone)[:10] for day in each.days) or "none"
    if each.unknown:
        yield "ignored, not known", "\n".join(_unknown(each))
    if each.quarantine:
        yield "set aside", _aside(each.quarantine, each.zone)
    yield "stands", _conditions(each.conditions, each.zone)
    lag = (
        "not known, Kafka does not answer" if found.lag is None else f"about {found.lag:,} records"
    )
    yield "partition", f"{found.partition}, next telemetry offset {found.folded}, lag {lag}"
    total, largest = sum(found.sizes.values()), max(found.sizes, key=lambda name: found.sizes[name])
    yield (
        "state",
        f"{total:,} bytes in {len(found.sizes)} parts, most in {largest}: {found.sizes[largest]:,}",
    )


def _ahead(each: "BatteryLook") -> Iterator[str]:
    from stream_app.doctor.clocks import far_ahead

    packs = ((f"pack {pack.pack}", pack.clock) for pack in each.packs)
    for name, clock in (("signals", each.clock), *packs):
        if told := far_ahead(clock, time.time()):
            yield f"{name} {told}"


def _signals(each: "BatteryLook") -> Iterator[str]:
    for name, (stamp, value) in each.signals.items():
        yield f"{name} {value:,.6g}, {local_time(stamp, each.zone)}"


def _unknown(each: "BatteryLook") -> Iterator[str]:
    for name, (count, known) in each.unknown.items():
        yield f"{name}: {count:,} values" + (f" (nearest known: {known})" if known else "")


def _anchor(each: "BatteryLook") -> str:
    if each.anchor is None:
        return "nothing yet: no rest, full or empty was seen"
    return f"{each.anchor[0]}, {local_time(each.anchor[1], each.zone)}"


def _aside(times: Sequence[int], zone: str) -> str:
    shown = ", ".join(local_time(stamp, zone) for stamp in times)
    return f"{len(times)} rows ahead of the clock: {shown}" if times else "-"


def _conditions(conditions: "Sequence[Condition]", zone: str) -> str:
    return (
        "\n".join(
            f"{each.rule}{'' if each.cell is None else f' cell {each.cell}'} "
            f"since {local_time(each.since, zone)}"
            for each in conditions
        )
        or "none"
    )


def _pack(pack: "PackLook", zone: str) -> tuple[str, ...]:
    windows = "\n".join(f"{each.resolution}: {each.rows:,} rows" for each in pack.windows)
    return (
        pack.pack,
        f"{pack.cells}",
        local_time(pack.clock, zone),
        _span(pack.voltages, ".3f"),
        _span(pack.temperatures, ".1f"),
        _aside(pack.quarantine, zone),
        windows or "none",
        _conditions(pack.conditions, zone),
    )


def _span(values: tuple[float, float] | None, form: str) -> str:
    return "-" if values is None else f"{values[0]:{form}} to {values[1]:{form}}"
