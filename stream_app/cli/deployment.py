"""Settings for commands, with faults told as a person would want to read them."""

import os
from tomllib import TOMLDecodeError

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import TomlConfigSettingsSource

from stream_app.cli.errors import UserError
from stream_app.settings import Settings
from stream_app.settings_sources import SecretFileError, unknown, unknown_in_file, variable_of


def load_settings() -> Settings:
    """Settings from the environment and ``bess.toml``; tells what is no setting.

    Raises
    ------
    UserError
        A setting is not valid; names the variable.
    """
    found = read_settings()
    for remark in remarks():
        typer.echo(f"warning: {remark}", err=True)
    return found


def remarks() -> list[str]:
    """What to say of variables and names of the file that look like settings and are none."""
    fields = Settings.model_fields
    return [*unknown(os.environ, fields), *unknown_in_file(_toml_names(), fields)]


def read_settings() -> Settings:
    """Settings from the environment and ``bess.toml``.

    Raises
    ------
    UserError
        A setting is not valid; names the variable.
    """
    try:
        return Settings()
    except ValidationError as fault:
        raise UserError("\n".join(map(_line, fault.errors()))) from None
    except SecretFileError as fault:
        raise UserError(str(fault)) from None
    except TOMLDecodeError as fault:
        raise UserError(f"bess.toml: {fault}") from None


def _toml_names() -> list[str]:
    return list(TomlConfigSettingsSource(Settings).toml_data)


def _line(fault: ErrorDetails) -> str:
    where = "".join(f"{variable_of(str(name))}: " for name in fault["loc"][:1])
    return where + fault["msg"].removeprefix("Value error, ")


def settings() -> None:
    """List the settings of a deployment with their values; secrets are masked."""
    current = load_settings()
    for name, field in Settings.model_fields.items():
        value = getattr(current, name)
        typer.echo(f"{variable_of(name)}={value}\t{field.description or ''}")
