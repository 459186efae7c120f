"""Kinds of values that a configuration file holds, each with its own complaint."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from replay.durations import milliseconds


def _compile(groups: Sequence[str], value: object) -> re.Pattern[str]:
    text = str(value)
    if any(ord(character) < 32 for character in text):
        raise ValueError(
            f"{text!r} holds a control character, as \\b in double quotes gives: use single quotes"
        )
    try:
        pattern = re.compile(text)
    except re.error as fault:
        raise ValueError(f"{text!r} is no regular expression: {fault}") from fault
    missing = [name for name in groups if name not in pattern.groupindex]
    if missing:
        wanted = " and ".join(f"(?P<{name}>...)" for name in missing)
        raise ValueError(f"{text!r} lacks the named group {wanted}")
    return pattern


def _a_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as fault:
        raise ValueError(f"the time zone {name!r} does not exist; use an IANA name") from fault
    return name


def a_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _positive(value: int) -> int:
    if value <= 0:
        raise ValueError("must be longer than 0")
    return value


DurationMs = Annotated[int, BeforeValidator(milliseconds)]
PositiveMs = Annotated[DurationMs, AfterValidator(_positive)]
PowerRegex = Annotated[re.Pattern[str], BeforeValidator(partial(_compile, ("input", "inv")))]
EnclosureRegex = Annotated[re.Pattern[str], BeforeValidator(partial(_compile, ("eid",)))]
PositionRegex = Annotated[re.Pattern[str], BeforeValidator(partial(_compile, ("position",)))]
AnyRegex = Annotated[re.Pattern[str], BeforeValidator(partial(_compile, ()))]
Zone = Annotated[str, AfterValidator(_a_zone)]
Name = Annotated[str, Field(pattern=r"^[^/\s]+$")]


class Section(BaseModel):
    """A mapping of the file whose keys are all known."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)
