"""Sections of the configuration that say which column is which signal, and what a battery is."""

from datetime import date
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    FiniteFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from replay.fields import AnyRegex, DurationMs, Name, PositiveMs, Section
from replay.signals.units import Unit, read_unit
from stream_app.core.battery import Chemistry, WindowRule
from stream_app.core.cells.limits import LimitName
from stream_app.core.charge.rules import RuleName

SignalKind = Literal["cells", "system", "meter", "nothing"]
GROUPS = {"cells": ("system", "pack", "cell"), "system": ("system",), "meter": ("meter",)}
CELL_SIGNALS = ("voltage_v", "temperature_c")
METER_SIGNALS = ("power_w", "power_factor", "import_wh", "export_wh", "total_wh")
SYSTEM_SIGNALS = (
    "soc_ratio",
    "soh_ratio",
    "voltage_v",
    "current_a",
    "dc_power_w",
    "ac_power_w",
)


def _a_local_date(value: object) -> object:
    """YAML makes a date of ``2023-05-01``, a quoted one stays text."""
    return value.isoformat() if isinstance(value, date) else value


def _is_a_date(value: str) -> str:
    date.fromisoformat(value)
    return value


LocalDate = Annotated[str, BeforeValidator(_a_local_date), AfterValidator(_is_a_date)]


class Rule(Section):
    """What columns are whose ``folder/column`` the regex finds; the first rule that fits holds.

    ``signal`` may hold groups of the regex: ``{name}``. ``positive`` says what a positive number
    means. ``keep`` says how windows keep a signal without a meaning of its own. ``system``,
    ``pack`` and ``meter`` name what the regex has no group for.
    """

    match: AnyRegex
    of: SignalKind
    signal: str = ""
    unit: Annotated[Unit, BeforeValidator(read_unit)] = Unit()
    positive: Literal["discharge", "charge", "export", "import"] = "discharge"
    keep: WindowRule = "extremes"
    system: Name | None = None
    pack: Name | None = None
    meter: Name | None = None

    @model_validator(mode="after")
    def _says_whose_signal_it_is(self) -> "Rule":
        for group in GROUPS.get(self.of, ()):
            if group not in self.match.groupindex and getattr(self, group, None) is None:
                raise ValueError(
                    f"{self.match.pattern!r} lacks the named group (?P<{group}>...), "
                    f"which a signal of {self.of} needs"
                )
        known = {"cells": CELL_SIGNALS, "meter": METER_SIGNALS}.get(self.of)
        if known and self.signal not in known:
            raise ValueError(f"{self.signal!r} is no signal of {self.of}: {', '.join(known)}")
        if self.of == "system" and not self.signal:
            raise ValueError("a signal of a system needs its name in signal")
        self.unit.size(self.signal)
        return self

    @property
    def is_plain(self) -> bool:
        """Whether it does not say how windows keep what has no meaning of its own."""
        return self.of == "system" and "keep" not in self.model_fields_set

    @property
    def sign(self) -> int:
        """1, or -1 where a positive number means charge or import."""
        return -1 if self.positive in ("charge", "import") else 1


class Signals(Section):
    """Which columns are signals; without rules the export holds power of DC inputs instead.

    ``name`` says where a file of one signal has its name.
    """

    preset: str | None = None
    name: Literal["column", "file"] = "column"
    rules: tuple[Rule, ...] = ()


class MeterRatings(Section):
    """What is known of one meter: the most that it carries."""

    rating_kw: PositiveFloat | None = None


class Ratings(Section):
    """What is known of one battery system."""

    chemistry: Chemistry | None = None
    limits: Name | None = None
    cells: PositiveInt | None = None
    capacity_ah: PositiveFloat | None = None
    energy_kwh: PositiveFloat | None = None
    commissioned: LocalDate | None = None
    efc_before: Annotated[FiniteFloat, Field(ge=0)] | None = None
    own_limits: dict[LimitName, FiniteFloat] = Field(default_factory=dict)
    own_rules: dict[RuleName, FiniteFloat] = Field(default_factory=dict)


class Battery(Section):
    """All battery systems of the export; ``systems`` holds what differs. None: see the docs."""

    chemistry: Chemistry = "lfp"
    limits: Name | None = None
    own_limits: dict[LimitName, FiniteFloat] = Field(default_factory=dict)
    own_rules: dict[RuleName, FiniteFloat] = Field(default_factory=dict)
    cells: PositiveInt | None = None
    capacity_ah: PositiveFloat | None = None
    energy_kwh: PositiveFloat | None = None
    commissioned: LocalDate | None = None
    efc_before: Annotated[FiniteFloat, Field(ge=0)] | None = None
    max_gap: PositiveMs | None = None
    clock_skew: PositiveMs | None = None
    rest_current_a: Annotated[float, Field(ge=0)] = 1.0
    rest_time: DurationMs = 1_800_000
    systems: dict[Name, Ratings] = Field(default_factory=dict)

    def of(self, system: str) -> Ratings:
        """Ratings of one system, its own before those of all, limits and rules one by one."""
        own = self.systems.get(system, Ratings())
        common = {name: getattr(self, name) for name in Ratings.model_fields}
        numbers = {
            "own_limits": {**self.own_limits, **own.own_limits},
            "own_rules": {**self.own_rules, **own.own_rules},
        }
        return Ratings(**{**common, **own.model_dump(exclude_none=True), **numbers})
