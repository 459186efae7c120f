"""Secrets that stand in files, and names that look like settings and are none."""

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

PREFIX = "BESS_"
SUFFIX = "_FILE"
OF_TOOLS = frozenset({"BESS_LOCAL_DIR", "BESS_REAL_DATA", "BESS_PROMTOOL", "BESS_PROMETHEUS"})
"""Variables of this project's tools that are no settings of a deployment."""
LARGEST_SECRET = 64 << 10


class SecretFileError(ValueError):
    """A file that should hold a secret cannot be used; names the variable, never the secret."""


class SecretFiles(PydanticBaseSettingsSource):
    """``BESS_<SECRET>_FILE`` names the file that holds the secret; its last line end is no part."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = variable_of(field_name) + SUFFIX
        path = os.environ.get(variable)
        if path is None or not is_secret(field):
            return None, field_name, False
        if variable_of(field_name) in os.environ:
            raise SecretFileError(f"{variable} and {variable_of(field_name)} are both set: set one")
        return SecretStr(_read(variable, Path(path))), field_name, False

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields
        values = {name: self.get_field_value(field, name)[0] for name, field in fields.items()}
        return {name: value for name, value in values.items() if value is not None}


def is_secret(field: FieldInfo) -> bool:
    """Whether the field's values must not be shown."""
    return field.annotation in (SecretStr, SecretStr | None)


def variable_of(name: str) -> str:
    """Environment variable of a setting."""
    return PREFIX + name.upper()


def unknown(environment: Mapping[str, str], fields: Mapping[str, FieldInfo]) -> list[str]:
    """What to say about variables that look like settings and are none."""
    files = [variable_of(name) + SUFFIX for name, field in fields.items() if is_secret(field)]
    known = {*map(variable_of, fields), *files, *OF_TOOLS}
    strange = sorted({name.upper() for name in environment if name.upper().startswith(PREFIX)})
    return [_remark(name, known) for name in strange if name not in known]


def unknown_in_file(names: Iterable[str], fields: Mapping[str, FieldInfo]) -> list[str]:
    """The same for names in ``bess.toml``."""
    return [f"bess.toml: {_remark(name, fields)}" for name in names if name.lower() not in fields]


def _remark(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"{name} is no setting" + (f"; did you mean {near[0]}?" if near else "")


def _read(variable: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_SECRET + 1).decode().rstrip("\r\n")
    except OSError as fault:
        raise SecretFileError(f"{variable}: {path} cannot be read: {fault.strerror}") from None
    except UnicodeDecodeError:
        raise SecretFileError(f"{variable}: {path} is no text") from None
    if not 0 < len(text) <= LARGEST_SECRET:
        raise SecretFileError(f"{variable}: {path} is empty or too large for a secret")
    return text
