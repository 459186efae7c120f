"""Which alarms of a battery system stand: raised, and not cleared yet."""

from collections import Counter
from collections.abc import Iterator

from stream_app.core.battery_system import BatteryState
from stream_app.core.cells.closing import standing_of_cells
from stream_app.core.cells.findings import CellRule
from stream_app.core.health.flags import FlagRule
from stream_app.core.health.soc import SocRule

Rule = CellRule | SocRule | FlagRule


def standing(state: BatteryState) -> Counter[Rule]:
    """How many alarms of each rule stand, of the system, its packs and their cells."""
    return Counter(_rules(state))


def _rules(state: BatteryState) -> Iterator[Rule]:
    battery, present = state.cells.battery, state.health.present
    for pack in battery.packs if battery else ():
        of_pack = state.cells.packs[pack]
        yield from (rule for rule, *_ in standing_of_cells(of_pack))
        if of_pack.hot.stale.since is not None:
            yield "STALE_DATA"
    yield from present.soc.active
    for _ in present.flags:
        yield "FLAG"
    for limit, watch in present.limits.items():
        for _ in watch.active:
            yield limit
    if present.stale.since is not None:
        yield "STALE_DATA"
