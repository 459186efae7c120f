"""Settings for commands, with faults told as a person would want to read them."""

import typer
from pydantic import ValidationError

from stream_app.cli.errors import UserError
from stream_app.settings import Settings


def load_settings() -> Settings:
    """Settings from the environment and ``bess.toml``.

    Raises
    ------
    UserError
        A setting is not valid; names the variable.
    """
    try:
        return Settings()
    except ValidationError as fault:
        lines = [f"BESS_{str(e['loc'][0]).upper()}: {e['msg']}" for e in fault.errors()]
        raise UserError("\n".join(lines)) from None


def settings() -> None:
    """List the settings of a deployment with their values; secrets are masked."""
    current = load_settings()
    for name, field in Settings.model_fields.items():
        value = getattr(current, name)
        typer.echo(f"BESS_{name.upper()}={value}\t{field.description or ''}")
