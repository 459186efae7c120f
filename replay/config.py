"""`config.yaml`: where an export lies, how to read it, and how its power becomes energy."""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from replay import lenient_yaml
from replay.errors import ConfigError
from replay.fields import (
    AnyRegex,
    DurationMs,
    EnclosureRegex,
    Name,
    PositionRegex,
    PositiveMs,
    PowerRegex,
    Section,
    Zone,
    a_list,
)
from replay.presets import with_preset
from replay.signals.rules import Battery, MeterRatings, Signals

POWER_REGEX = r"^BESS(?P<input>[12]) DC Input Power \(kW\) \[Battery Inverter (?P<inv>[^\]]+)\]$"
ENCLOSURE_REGEX = r"\[Battery system (?P<eid>[^\]]+)\]"
INVERTER_GROUP = r"^(?P<area>.+)PCS(?P<number>\d+)$"
ENCLOSURE_GROUP = r"^(?P<group>.+)BAT(?P<position>\d+)$"

_SPLIT = re.compile(r"split_[1-9]\d*")


Rollup = Literal["5min", "15min", "1h"]


class Data(Section):
    """Files, folders or patterns, relative to the file; time between rows, None: from the rows."""

    paths: Annotated[tuple[str, ...], BeforeValidator(a_list)] = ()
    interval: PositiveMs | None = None


class Parsing(Section):
    """How text and numbers of the files are to be read."""

    timestamp_col: str = "Timestamp"
    timezone: Zone = "Australia/Sydney"
    timestamp_unit: Literal["s", "ms", "us", "ns"] | None = None
    timestamp_format: str | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"


class ColumnRole(Section):
    """What one power column measures."""

    inverter: Name
    input: Name = "1"


class Power(Section):
    """Which columns hold power, in which unit and with which sign."""

    dc_input_power_regex: PowerRegex = re.compile(POWER_REGEX)
    columns: dict[str, ColumnRole] | None = None
    unit: Literal["W", "kW", "MW"] = "kW"
    positive: Literal["discharge", "charge"] = "discharge"

    @property
    def watts(self) -> float:
        """W (+ = discharge) for one unit of the columns."""
        size = {"W": 1.0, "kW": 1e3, "MW": 1e6}[self.unit]
        return size if self.positive == "discharge" else -size


class Allocation(Section):
    """Which columns name enclosures; ``split_N``: enclosures of each input in a group of N."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, tuple[PositiveInt, ...]] = Field(init=False)

    battery_system_regex: EnclosureRegex = re.compile(ENCLOSURE_REGEX)
    split_6: tuple[PositiveInt, ...] = (3, 3)
    split_4: tuple[PositiveInt, ...] = (2, 2)

    @model_validator(mode="after")
    def _splits_sum_to_their_size(self) -> "Allocation":
        for size, parts in self.splits.items():
            if sum(parts) != size:
                raise ValueError(f"split_{size}: {list(parts)} sums to {sum(parts)}, not {size}")
        return self

    @property
    def splits(self) -> dict[int, tuple[int, ...]]:
        """Group size -> number of enclosures of each DC input."""
        named = {"split_6": self.split_6, "split_4": self.split_4, **self.__pydantic_extra__}
        return {int(name.removeprefix("split_")): parts for name, parts in named.items()}


class Output(Section):
    """Where the reports go."""

    dir: Path = Path("out")
    daily_table_file: str = "daily_energy_by_enclosure.csv"
    outliers_file: str = "outliers_bottom5.csv"
    heatmap_file: str = "discharged_heatmap.png"


class Energy(Section):
    """How power becomes energy; None: follows from the interval."""

    method: Literal["trapezoid", "left"] = "trapezoid"
    max_gap: PositiveMs | None = None
    lateness: DurationMs = 0
    correction: DurationMs = 172_800_000
    rating_kw: PositiveFloat | None = None
    rollups: tuple[Rollup, ...] | None = None


class Alarms(Section):
    """When a condition is a finding; None: follows from the interval."""

    stale_after: PositiveMs | None = None
    frozen_after: PositiveMs = 21_600_000
    clock_skew: PositiveMs | None = None


class InverterInputs(Section):
    """DC input -> enclosures in equal parts (a list), or with their shares (a mapping)."""

    inputs: dict[Name, list[Name] | dict[Name, Annotated[float, Field(ge=0, le=1)]]]


class Topology(Section):
    """What hangs together: spelled out, or by regexes on the names.

    An inverter has the enclosures whose groups, but for ``position``, join to the same text as its.
    """

    inverters: dict[Name, InverterInputs] | None = None
    inverter_group: AnyRegex = re.compile(INVERTER_GROUP)
    enclosure_group: PositionRegex = re.compile(ENCLOSURE_GROUP)


class Config(Section):
    """The whole file; every key has a default."""

    site: Name = "station"
    data: Data = Data()
    parsing: Parsing = Parsing()
    power: Power = Power()
    allocation: Allocation = Allocation()
    output: Output = Output()
    energy: Energy = Energy()
    alarms: Alarms = Alarms()
    topology: Topology = Topology()
    signals: Signals = Signals()
    battery: Battery = Battery()
    meters: dict[Name, MeterRatings] = Field(default_factory=dict)


def load_config(path: Path | None = None, exports: Sequence[str | Path] = ()) -> Config:
    """Read a configuration file; without one, the defaults.

    Parameters
    ----------
    exports
        Files, folders or patterns that replace ``data.paths``, relative to the working directory.

    Returns
    -------
    The configuration with all paths absolute, or relative to the working directory.

    Raises
    ------
    ConfigError
        The file cannot be read, is no YAML, has an unknown key or a value that cannot be.
    """
    config = parse_config(_mapping(path), str(path)) if path else Config()
    base = path.parent if path else Path()
    named = [str(export) for export in exports] or [str(base / each) for each in config.data.paths]
    return config.model_copy(
        update={"data": config.data.model_copy(update={"paths": tuple(named)})}
    )


def parse_config(raw: Mapping[str, Any], place: str = "config") -> Config:
    """Check a mapping as it stands in a file; ``place`` starts the messages.

    Raises
    ------
    ConfigError
        An unknown key, or a value that cannot be.
    """
    try:
        filled = with_preset({key: {} if value is None else value for key, value in raw.items()})
    except ConfigError as fault:
        raise ConfigError(f"{place}: {fault}") from fault
    unknown = _unknown_key(filled, Config, ())
    if unknown:
        raise ConfigError(f"{place}: {unknown}")
    try:
        return Config.model_validate(filled)
    except ValidationError as fault:
        lines = [_line(error) for error in fault.errors(include_url=False)]
        raise ConfigError("\n".join(f"{place}: {line}" for line in lines)) from fault


def _mapping(path: Path) -> dict[str, Any]:
    try:
        raw = lenient_yaml.load_file(path)
    except OSError as fault:
        raise ConfigError(
            f"{path}: cannot be read: {fault.strerror}; say --config, `bess sample` writes one"
        ) from fault
    except UnicodeDecodeError as fault:
        raise ConfigError(f"{path}: is not UTF-8 text: {fault}") from fault
    except yaml.YAMLError as fault:
        raise ConfigError(f"{path}: is not YAML: {fault}") from fault
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigError(
            f"{path}: must hold keys such as data: and parsing:, not a {type(raw).__name__}"
        )
    return {str(key): value for key, value in raw.items()}


def _unknown_key(
    raw: Mapping[str, Any], model: type[BaseModel], place: tuple[str, ...]
) -> str | None:
    for key, value in raw.items():
        here = (*place, str(key))
        field = model.model_fields.get(str(key))
        if field is None and not (model is Allocation and _SPLIT.fullmatch(str(key))):
            return f"unknown key {'.'.join(here)}; {_hint(here, model)}"
        section = field.annotation if field else None
        if isinstance(section, type) and issubclass(section, Section) and isinstance(value, dict):
            found = _unknown_key(value, section, here)
            if found:
                return found
    return None


def _hint(place: tuple[str, ...], model: type[BaseModel]) -> str:
    """Name the nearest known key: of the same section first, else of any."""
    *parents, key = place
    here = {name: ".".join((*parents, name)) for name in model.model_fields}
    # The first section that has a key is the one that most people mean.
    anywhere = {name.rpartition(".")[2]: name for name in reversed(_all_keys(Config, ""))}
    for names in (here, anywhere):
        near = difflib.get_close_matches(key, names, n=1)
        if near:
            return f"did you mean {names[near[0]]}?"
    return f"known here: {', '.join(model.model_fields)}"


def _all_keys(model: type[BaseModel], prefix: str) -> list[str]:
    keys = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            keys += _all_keys(field.annotation, f"{prefix}{name}.")
    return keys


def _line(error: ErrorDetails) -> str:
    place = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    given = error["input"]
    shown = f" (it is {given!r})" if isinstance(given, str | int | float) else ""
    return f"{place}: {message}{'' if repr(given) in message else shown}"
