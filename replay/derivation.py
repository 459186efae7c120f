"""Power blocks of a station from the names of its columns, or as the configuration spells them."""

import re
from collections.abc import Mapping, Sequence

from replay.columns import PowerColumn, enclosures
from replay.config import Config
from replay.errors import TopologyError
from stream_app.core.calendar import RESOLUTIONS_MS
from stream_app.core.order import natural_key
from stream_app.core.topology import PowerBlock, Rules

_MAX_GAP_INTERVALS = 3
_LEAST_STALE_MS = 60_000
_LEAST_SKEW_MS = 3_600_000
_SHARE_TOLERANCE = 1e-9

Shares = dict[str, float]


def rules(config: Config, interval_ms: int) -> Rules:
    """Rules of every block; what the configuration leaves out follows from the interval.

    ``max_gap`` and ``stale_after`` are three intervals (the latter at least a minute),
    ``clock_skew`` too but at least an hour, rollups those not finer than the interval.
    """
    energy, alarms = config.energy, config.alarms
    three = _MAX_GAP_INTERVALS * interval_ms
    fitting = [name for name, ms in RESOLUTIONS_MS.items() if ms >= interval_ms]
    chosen = fitting if energy.rollups is None else energy.rollups
    return Rules(
        method=energy.method,
        interval_ms=interval_ms,
        max_gap_ms=energy.max_gap or three,
        lateness_ms=energy.lateness,
        correction_ms=energy.correction,
        skew_ms=alarms.clock_skew or max(three, _LEAST_SKEW_MS),
        stale_ms=alarms.stale_after or max(three, _LEAST_STALE_MS),
        frozen_ms=alarms.frozen_after,
        rating_w=None if energy.rating_kw is None else energy.rating_kw * 1000,
        resolutions=(*chosen, "1d"),
    )


def power_blocks(
    columns: Sequence[PowerColumn], names: Sequence[str], config: Config, interval_ms: int
) -> list[PowerBlock]:
    """Power blocks of the export in natural order of their names.

    Parameters
    ----------
    columns
        Power columns.
    names
        All columns; those that ``battery_system_regex`` matches name the enclosures.

    Raises
    ------
    TopologyError
        Inverters, inputs and enclosures do not fit; the message names them and the remedy.
    """
    inputs: dict[str, list[str]] = {}
    for column in columns:
        inputs.setdefault(column.inverter, []).append(column.input)
    explicit = config.topology.inverters is not None
    shares = _explicit(inputs, config) if explicit else _derived(inputs, names, config)
    the_rules = rules(config, interval_ms)
    return [
        PowerBlock(config.site, inverter, config.parsing.timezone, shares[inverter], the_rules)
        for inverter in sorted(inputs, key=natural_key)
    ]


def _explicit(inputs: Mapping[str, list[str]], config: Config) -> dict[str, dict[str, Shares]]:
    given = config.topology.inverters or {}
    _refuse_unlike(set(inputs), set(given), "inverter", "topology.inverters")
    shares: dict[str, dict[str, Shares]] = {}
    owner: dict[str, str] = {}
    for inverter, spec in given.items():
        place = f"topology.inverters.{inverter}.inputs"
        _refuse_unlike(set(inputs[inverter]), set(spec.inputs), "DC input", place)
        shares[inverter] = {
            name: _shares(spec.inputs[name], f"{place}.{name}") for name in inputs[inverter]
        }
        for name, owned in shares[inverter].items():
            for enclosure in owned:
                _own(owner, enclosure, f"{place}.{name}")
    return shares


def _refuse_unlike(columns: set[str], given: set[str], what: str, place: str) -> None:
    """Columns and topology must name the same; say which side lacks what."""
    only_columns, only_given = (
        ", ".join(sorted(names, key=natural_key)) for names in (columns - given, given - columns)
    )
    if only_columns:
        raise TopologyError(
            f"{place} lacks {what} {only_columns}, for which there are power columns; "
            "add it, or narrow power.dc_input_power_regex"
        )
    if only_given:
        raise TopologyError(
            f"{place} names {what} {only_given}, for which no power column exists; "
            "remove it, or widen power.dc_input_power_regex"
        )


def _shares(given: Sequence[str] | Mapping[str, float], place: str) -> Shares:
    if not given:
        raise TopologyError(f"{place} names no enclosure; every DC input needs at least one")
    if not isinstance(given, Mapping):
        return _even(given)
    total = sum(given.values())
    if abs(total - 1) > _SHARE_TOLERANCE:
        raise TopologyError(
            f"{place}: the shares sum to {total:.12g}, not 1; a plain list means equal parts"
        )
    return dict(given)


def _own(owner: dict[str, str], enclosure: str, place: str) -> None:
    other = owner.setdefault(enclosure, place)
    if other != place:
        raise TopologyError(f"enclosure {enclosure} is in {other} and in {place}; keep one")


def _even(names: Sequence[str]) -> Shares:
    return {name: 1 / len(names) for name in names}


def _derived(
    inputs: Mapping[str, list[str]], names: Sequence[str], config: Config
) -> dict[str, dict[str, Shares]]:
    ids = enclosures(names, config)
    if not ids:
        regex = config.allocation.battery_system_regex.pattern
        raise TopologyError(
            f"no column matches allocation.battery_system_regex {regex!r}, so no inverter has an "
            "enclosure; set the regex, or spell the station out in topology.inverters"
        )
    groups = _enclosure_groups(ids, config)
    owners = _inverter_groups(inputs, config)
    strays = [
        enclosure for group, each in groups.items() if group not in owners for enclosure in each
    ]
    if strays:
        raise TopologyError(
            f"enclosure {', '.join(strays[:5])} belongs to no inverter that has a power column; "
            "widen power.dc_input_power_regex, narrow allocation.battery_system_regex, "
            "or spell the station out in topology.inverters"
        )
    return {
        inverter: _split(inverter, inputs[inverter], groups.get(group, []), config)
        for group, inverter in owners.items()
    }


def _enclosure_groups(ids: Sequence[str], config: Config) -> dict[str, list[str]]:
    """Group -> its enclosures in the order of their positions."""
    placed: dict[str, list[tuple[tuple[object, ...], str]]] = {}
    for enclosure in ids:
        match = _matched(config.topology.enclosure_group, "enclosure", enclosure)
        group = _joined(match, without="position")
        placed.setdefault(group, []).append((natural_key(match["position"]), enclosure))
    return {group: [enclosure for _, enclosure in sorted(each)] for group, each in placed.items()}


def _inverter_groups(inverters: Mapping[str, object], config: Config) -> dict[str, str]:
    owners: dict[str, str] = {}
    for inverter in inverters:
        group = _joined(_matched(config.topology.inverter_group, "inverter", inverter))
        other = owners.setdefault(group, inverter)
        if other != inverter:
            raise TopologyError(
                f"inverters {other} and {inverter} both come to the group {group!r}; "
                "change topology.inverter_group"
            )
    return owners


def _matched(regex: re.Pattern[str], what: str, name: str) -> re.Match[str]:
    match = regex.search(name)
    if match is None:
        raise TopologyError(
            f"{what} {name} does not match topology.{what}_group {regex.pattern!r}; "
            "change the regex, or spell the station out in topology.inverters"
        )
    return match


def _joined(match: re.Match[str], without: str = "") -> str:
    groups = match.groupdict()
    return "".join(text or "" for name, text in groups.items() if name != without) or match.group()


def _split(
    inverter: str, inputs: Sequence[str], members: Sequence[str], config: Config
) -> dict[str, Shares]:
    """Give the enclosures, by position, to the inputs in order, as their split rule says."""
    size = len(members)
    if not size:
        raise TopologyError(
            f"inverter {inverter} has no enclosure: no [Battery system ...] column belongs to it; "
            "add the columns, narrow power.dc_input_power_regex, or use topology.inverters"
        )
    parts = config.allocation.splits.get(size)
    if parts is None:
        raise TopologyError(
            f"inverter {inverter} has {size} enclosures ({', '.join(members)}), for which there is "
            f"no split rule; add allocation.split_{size}: [...] with one number for each DC input"
        )
    if len(parts) != len(inputs):
        raise TopologyError(
            f"inverter {inverter} has power columns for DC input {', '.join(inputs)} but "
            f"allocation.split_{size} {list(parts)} has {len(parts)} parts; add the missing "
            "columns or spell the inverter out in topology.inverters"
        )
    ends = [sum(parts[: place + 1]) for place in range(len(parts))]
    cuts = zip(inputs, parts, ends, strict=True)
    return {name: _even(members[end - part : end]) for name, part, end in cuts}
