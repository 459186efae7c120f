"""Batteries and meters of an export, from its targets and the configuration."""

from collections.abc import Iterable, Mapping
from statistics import multimode

from replay.config import Config
from replay.errors import TopologyError
from replay.signals.mapping import Target, in_order
from replay.signals.rules import CELL_SIGNALS, SYSTEM_SIGNALS
from stream_app.codec.limits import MOST_CELLS
from stream_app.core.battery import STALE_MS, Battery, BatteryRules, MeterPoint, WindowRule
from stream_app.core.cells.limits import PRESET_OF

_MAX_GAP_INTERVALS = 3
_LEAST_SKEW_MS = 3_600_000
_INTEGRATED = frozenset(SYSTEM_SIGNALS) - {"soh_ratio"}
"""Signals of whose gaps the longest is that of what has no file of its own."""

Intervals = Mapping[Target, int]
"""Nominal time between values [ms] of each signal."""


def skew_ms(config: Config, interval_ms: int) -> int:
    """How far ahead [ms] a time must be confirmed: ``battery.clock_skew``, or 3 intervals, 1 h."""
    return config.battery.clock_skew or max(_MAX_GAP_INTERVALS * interval_ms, _LEAST_SKEW_MS)


def batteries(targets: Iterable[Target], intervals: Intervals, config: Config) -> list[Battery]:
    """Battery systems in natural order.

    Raises
    ------
    TopologyError
        A cell's number is above ``battery.cells`` or 1,000, or ``battery.systems`` names a system
        that the export has not.
    """
    of_system: dict[str, list[Target]] = {}
    for target in targets:
        if target.of in ("cells", "system"):
            of_system.setdefault(target.name, []).append(target)
    absent = sorted(set(config.battery.systems) - set(of_system))
    if absent:
        has = ", ".join(in_order(of_system))
        raise TopologyError(f"battery.systems names {absent[0]!r}; the export has {has}")
    return [_battery(name, of_system[name], intervals, config) for name in in_order(of_system)]


def meters(targets: Iterable[Target], intervals: Intervals, config: Config) -> list[MeterPoint]:
    """Meters in natural order; ``intervals`` as for batteries.

    Raises
    ------
    TopologyError
        ``meters`` names one that the export has not.
    """
    of_meter: dict[str, list[Target]] = {}
    for target in targets:
        if target.of == "meter":
            of_meter.setdefault(target.name, []).append(target)
    absent = sorted(set(config.meters) - set(of_meter))
    if absent:
        has = ", ".join(in_order(of_meter)) or "none"
        raise TopologyError(f"meters names {absent[0]!r}; the export has {has}")
    return [_meter(name, of_meter[name], intervals, config) for name in in_order(of_meter)]


def _meter(name: str, targets: list[Target], intervals: Intervals, config: Config) -> MeterPoint:
    """A meter; how long is too long is told by the file of each signal."""
    interval_ms = min(intervals[each] for each in targets)
    max_gap_ms = config.battery.max_gap or _MAX_GAP_INTERVALS * interval_ms
    gaps = {each.signal: _MAX_GAP_INTERVALS * intervals[each] for each in targets}
    rating_kw = config.meters[name].rating_kw if name in config.meters else None
    return MeterPoint(
        config.site,
        name,
        config.parsing.timezone,
        interval_ms,
        max_gap_ms,
        skew_ms(config, interval_ms),
        {
            signal: gaps[signal]
            for signal in in_order(gaps)
            if gaps[signal] != max_gap_ms and not config.battery.max_gap
        },
        None if rating_kw is None else rating_kw * 1000,
    )


def _battery(name: str, targets: list[Target], intervals: Intervals, config: Config) -> Battery:
    ratings = config.battery.of(name)
    chemistry = ratings.chemistry or "lfp"
    return Battery(
        site=config.site,
        system=name,
        zone=config.parsing.timezone,
        packs=_packs(name, targets, ratings.cells),
        rules=_rules(targets, intervals, config),
        chemistry=chemistry,
        limits=ratings.limits or PRESET_OF[chemistry],
        capacity_ah=ratings.capacity_ah,
        energy_wh=None if ratings.energy_kwh is None else ratings.energy_kwh * 1000,
        commissioned=ratings.commissioned,
        efc_before=ratings.efc_before,
        signals=_further(targets),
        own_limits=dict(ratings.own_limits.items()),
        own_rules=dict(ratings.own_rules.items()),
    )


def _rules(targets: list[Target], intervals: Intervals, config: Config) -> BatteryRules:
    """Gaps are told by the files of each kind of record, and of each signal of the system."""
    own = config.battery
    interval_ms = min(intervals[each] for each in targets)
    gaps = {} if own.max_gap else _gaps(targets, intervals)
    values = [gap for name, gap in gaps.items() if name in _INTEGRATED]
    max_gap_ms = own.max_gap or max(values or gaps.values(), default=0)
    cells_ms = max_gap_ms if own.max_gap else _gap_of_cells(targets, intervals)
    return BatteryRules(
        interval_ms=interval_ms,
        max_gap_ms=max_gap_ms or cells_ms,
        skew_ms=skew_ms(config, interval_ms),
        rest_a=own.rest_current_a,
        rest_ms=own.rest_time,
        cells_gap_ms=cells_ms if cells_ms not in (0, max_gap_ms or cells_ms) else None,
        signal_gaps_ms={name: gap for name, gap in gaps.items() if gap != max_gap_ms},
        stale_ms=config.alarms.stale_after or STALE_MS,
    )


def _gaps(targets: Iterable[Target], intervals: Intervals) -> dict[str, int]:
    own = {each.signal: intervals[each] for each in targets if each.of == "system"}
    return {name: _MAX_GAP_INTERVALS * own[name] for name in in_order(own)}


def _gap_of_cells(targets: Iterable[Target], intervals: Intervals) -> int:
    """By the usual interval of voltages or temperatures, the longer of the two; 0 without cells."""
    cells = [each for each in targets if each.of == "cells"]
    kinds = [[intervals[each] for each in cells if each.signal == name] for name in CELL_SIGNALS]
    return _MAX_GAP_INTERVALS * max((max(multimode(kind)) for kind in kinds if kind), default=0)


def _packs(system: str, targets: list[Target], cells: int | None) -> dict[str, int]:
    """All packs of a system have as many cells as its longest, unless the configuration says."""
    highest = max((target.cell for target in targets), default=0)
    if highest > (cells or MOST_CELLS):
        raise TopologyError(
            f"{system} has a cell {highest}, but a pack has {cells or MOST_CELLS} at most; "
            "correct battery.cells, or the match of signals.rules"
        )
    names = in_order(target.pack for target in targets if target.of == "cells")
    return dict.fromkeys(names, cells or highest)


def _further(targets: list[Target]) -> dict[str, WindowRule]:
    ours = [each for each in targets if each.of == "system" and each.signal not in SYSTEM_SIGNALS]
    keep = {target.signal: target.keep for target in ours}
    return {name: keep[name] for name in in_order(keep)}
