"""Which columns of an export are power, and what each measures."""

from collections.abc import Sequence
from dataclasses import dataclass

from replay.config import Config, Power
from replay.errors import TopologyError
from stream_app.core.order import natural_key

_SHOWN = 5


@dataclass(frozen=True)
class PowerColumn:
    """A column of DC power: its name in the files, the inverter and the DC input."""

    name: str
    inverter: str
    input: str


def power_columns(names: Sequence[str], config: Config) -> list[PowerColumn]:
    """Power columns among ``names``, by inverter and input in natural order.

    Raises
    ------
    TopologyError
        None is found, one that ``power.columns`` names is absent, or two measure the same.
    """
    power = config.power
    found = _mapped(names, power) if power.columns else _matched(names, power)
    if not found:
        raise TopologyError(
            f"no column matches power.dc_input_power_regex {power.dc_input_power_regex.pattern!r}; "
            f"the export has {_some(names)}. Set the regex, or name the columns in power.columns"
        )
    _refuse_doubles(found)
    return sorted(
        found, key=lambda column: (natural_key(column.inverter), natural_key(column.input))
    )


def enclosures(names: Sequence[str], config: Config) -> list[str]:
    """Enclosure ids that the columns name, in natural order."""
    regex = config.allocation.battery_system_regex
    matches = (regex.search(name) for name in names)
    return sorted({match["eid"] for match in matches if match}, key=natural_key)


def _matched(names: Sequence[str], power: Power) -> list[PowerColumn]:
    matches = ((name, power.dc_input_power_regex.search(name)) for name in names)
    return [PowerColumn(name, match["inv"], match["input"]) for name, match in matches if match]


def _mapped(names: Sequence[str], power: Power) -> list[PowerColumn]:
    roles = power.columns or {}
    absent = sorted(set(roles) - set(names))
    if absent:
        raise TopologyError(
            f"power.columns names {_some(absent)}, which no file has; the export has {_some(names)}"
        )
    return [PowerColumn(name, role.inverter, role.input) for name, role in roles.items()]


def _refuse_doubles(columns: Sequence[PowerColumn]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for column in columns:
        other = seen.setdefault((column.inverter, column.input), column.name)
        if other != column.name:
            raise TopologyError(
                f"columns {other!r} and {column.name!r} both measure input {column.input} of "
                f"inverter {column.inverter}; narrow power.dc_input_power_regex or power.columns"
            )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    more = len(names) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown or "no column"
