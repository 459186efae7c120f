"""The command ``bess``."""

import importlib
import logging
import sys
from typing import Any

import typer

from stream_app.cli.errors import UserError

EXIT_USER = 2

_COMMANDS = (
    ("sample", "stream_app.cli.sample", "sample"),
    ("replay", "stream_app.cli.replay", "replay"),
    ("worker", "stream_app.cli.worker", "worker"),
    ("report", "stream_app.cli.report", "report"),
    ("process", "stream_app.cli.report", "process"),
    ("rollups", "stream_app.cli.report", "rollups"),
    ("archive", "stream_app.cli.archive", "archive"),
    ("cells", "stream_app.cli.batteries", "cells"),
    ("health", "stream_app.cli.batteries", "health"),
    ("schemas", "stream_app.cli.schemas", "schemas"),
    ("settings", "stream_app.cli.deployment", "settings"),
    ("doctor", "stream_app.cli.doctor", "doctor"),
)


def build() -> typer.Typer:
    """The command with all its parts."""
    app = typer.Typer(
        name="bess",
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        help="Telemetry of grid batteries through Kafka and Faust to energy, alarms and metrics.",
    )
    for name, module, function in _COMMANDS:
        app.command(name)(_attribute(module, function))
    app.add_typer(_attribute("stream_app.cli.worker", "topics_app"), name="topics")
    app.add_typer(_attribute("stream_app.cli.state", "app"), name="state")
    app.add_typer(_attribute("stream_app.cli.anomalies", "app"), name="anomalies")
    app.add_typer(_attribute("stream_app.cli.dashboards", "app"), name="dashboards")
    return app


def main() -> None:
    """Run the command; faults that a person can mend are shown in one plain message."""
    # What a person must know is in our own words; a worker sets its own levels.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        build()()
    except UserError as fault:
        typer.secho(f"bess: {fault}", fg="red", err=True)
        sys.exit(EXIT_USER)
    except KeyboardInterrupt:
        sys.exit(130)


def _attribute(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)
