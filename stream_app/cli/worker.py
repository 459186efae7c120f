"""``bess worker`` and ``bess topics``."""

import asyncio
from typing import Annotated

import typer

from stream_app.cli.deployment import load_settings
from stream_app.cli.errors import UserError
from stream_app.settings import Settings

topics_app = typer.Typer(no_args_is_help=True, help="Create and check the topics of a deployment.")

Create = Annotated[bool, typer.Option("--create-topics", help="Create missing topics first.")]


Patience = Annotated[
    float, typer.Option(min=0, help="Seconds to wait for Kafka and Redis before giving up.")
]


def worker(create_topics: Create = False, patience: Patience = 60.0) -> None:
    """Run a worker: folds telemetry into energy, alarms and metrics until it is stopped.

    Settings come from BESS_... variables or bess.toml; `bess settings` lists them. Start as many
    workers as you like: they share the partitions. SIGTERM finishes the chunks in work and leaves.
    """
    from stream_app.logs import configure_logging
    from stream_app.metrics import PortUnavailableError
    from stream_app.worker import run_worker

    settings = load_settings()
    configure_logging(settings)
    _await(settings, patience)
    if create_topics:
        create()
    check()
    try:
        run_worker(settings)
    except PortUnavailableError as fault:
        raise UserError(str(fault)) from fault


@topics_app.command()
def create() -> None:
    """Create the topics that do not exist yet."""
    from stream_app.topics import create_topics

    settings = load_settings()
    _await(settings, 0)
    made = asyncio.run(create_topics(settings))
    typer.echo(f"created {len(made)} topics" + "".join(f"\n  {name}" for name in made), err=True)


@topics_app.command()
def check() -> None:
    """Check that all topics exist with the partitions that the settings say."""
    from stream_app.topics import check_topics

    settings = load_settings()
    _await(settings, 0)
    states = asyncio.run(check_topics(settings))
    faults = [state.fault for state in states if state.fault]
    if faults:
        raise UserError("\n".join(faults))


def _await(settings: Settings, patience_s: float) -> None:
    from stream_app.services import ServiceUnavailableError, await_services

    try:
        asyncio.run(await_services(settings, patience_s))
    except ServiceUnavailableError as fault:
        raise UserError(str(fault)) from fault
