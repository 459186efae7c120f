"""``bess worker`` and ``bess topics``."""

import asyncio
from typing import Annotated

import typer

from stream_app.cli.deployment import load_settings
from stream_app.cli.errors import UserError

topics_app = typer.Typer(no_args_is_help=True, help="Create and check the topics of a deployment.")

Create = Annotated[bool, typer.Option("--create-topics", help="Create missing topics first.")]


def worker(create_topics: Create = False) -> None:
    """Run a worker: folds telemetry into energy, alarms and metrics until it is stopped.

    Settings come from BESS_... variables or bess.toml; `bess settings` lists them. Start as many
    workers as you like: they share the partitions. SIGTERM finishes the chunks in work and leaves.
    """
    from stream_app.worker import run_worker

    settings = load_settings()
    if create_topics:
        create()
    check()
    run_worker(settings)


@topics_app.command()
def create() -> None:
    """Create the topics that do not exist yet."""
    from stream_app.topics import create_topics

    made = asyncio.run(create_topics(load_settings()))
    typer.echo(f"created {len(made)} topics" + "".join(f"\n  {name}" for name in made), err=True)


@topics_app.command()
def check() -> None:
    """Check that all topics exist with the partitions that the settings say."""
    from stream_app.topics import check_topics

    states = asyncio.run(check_topics(load_settings()))
    faults = [state.fault for state in states if state.fault]
    if faults:
        raise UserError("\n".join(faults))
