"""``bess worker`` and ``bess topics``."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from stream_app.cli.deployment import load_settings
from stream_app.cli.errors import UserError
from stream_app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Collection

    from stream_app.services import OnAsked, Service
    from stream_app.topics import TopicState

topics_app = typer.Typer(no_args_is_help=True, help="Create and check the topics of a deployment.")

Repair = Annotated[bool, typer.Option("--repair", help="Set the settings that are not as wanted.")]
Create = Annotated[bool, typer.Option("--create-topics", help="Create missing topics first.")]


Patience = Annotated[
    float | None,
    typer.Option(
        min=0, help="Seconds to wait for Kafka and Redis before giving up.", show_default="no end"
    ),
]


def worker(create_topics: Create = False, patience: Patience = None) -> None:
    """Run a worker: folds telemetry into energy, alarms and metrics until it is stopped.

    Settings come from BESS_... variables or bess.toml; `bess settings` lists them. Start as many
    workers as you like: they share the partitions. SIGTERM finishes the chunks in work and leaves.
    """
    from stream_app.logs import configure_logging
    from stream_app.metrics import PortUnavailableError
    from stream_app.worker import front, run_worker

    settings = load_settings()
    configure_logging(settings)
    try:
        with front(settings) as shown:
            _await(settings, patience, shown.waits_for)
            _prepare_topics(settings, create=create_topics)
            run_worker(settings, shown)
    except PortUnavailableError as fault:
        raise UserError(str(fault)) from fault


def _prepare_topics(settings: Settings, *, create: bool) -> None:
    if create:
        _create(settings)
    states = _checked(settings)
    _refuse_faults(states)
    _warn_of_differences(states)


@topics_app.command()
def create() -> None:
    """Create the topics that do not exist yet, and name those that are not as wanted.

    A topic with another number of partitions than the settings say ends it with status 2.
    """
    settings = load_settings()
    _await(settings, 0, names=["Kafka"])
    _create(settings)
    states = _checked(settings)
    _refuse_faults(states)
    _warn_of_differences(states)


@topics_app.command()
def check(repair: Repair = False) -> None:
    """Check that all topics exist, with the partitions and the settings that they must have.

    A setting that is not as wanted ends the command with status 1, a topic that is missing or has
    another number of partitions with status 2.
    """
    settings = load_settings()
    _await(settings, 0, names=["Kafka"])
    states = _checked(settings)
    if repair and any(state.differences for state in states):
        states = _repaired(settings, states)
    _refuse_faults(states)
    if _warn_of_differences(states):
        raise typer.Exit(1)
    typer.echo(f"all {len(states)} topics are as they should be")


def _create(settings: Settings) -> None:
    from stream_app.topics import create_topics

    made = asyncio.run(create_topics(settings))
    typer.echo(f"created {len(made)} topics" + "".join(f"\n  {name}" for name in made), err=True)


def _checked(settings: Settings) -> "list[TopicState]":
    from stream_app.topics import check_topics

    return asyncio.run(check_topics(settings))


def _repaired(settings: Settings, states: "list[TopicState]") -> "list[TopicState]":
    from aiokafka.errors import KafkaError

    from stream_app.topics import repair

    try:
        asyncio.run(repair(settings, states))
    except KafkaError as fault:
        raise UserError(f"the broker did not take the settings: {fault}") from fault
    for state in states:
        for each in state.differences:
            typer.echo(f"{state.name}: {each.setting} set from {each.value} to {each.wanted}")
    return _checked(settings)


def _refuse_faults(states: "list[TopicState]") -> None:
    from stream_app.topics import faults, together

    found = faults(states).items()
    if found:
        lines = [f"{together(names)} {what}: {remedy}" for (what, remedy), names in found]
        raise UserError("\n".join(lines))


def _warn_of_differences(states: "list[TopicState]") -> bool:
    lines = [
        f"topic {state.name}: {each.setting} is {each.value}, should be {each.wanted}"
        for state in states
        for each in state.differences
    ]
    for line in lines:
        typer.echo(f"warning: {line}", err=True)
    if lines:
        typer.echo("set them with `bess topics check --repair`", err=True)
    return bool(lines)


def _await(
    settings: Settings,
    patience_s: float | None,
    on_asked: "OnAsked | None" = None,
    names: "Collection[Service]" = ("Kafka", "Redis"),
) -> None:
    from stream_app.services import ServiceUnavailableError, await_services

    try:
        asyncio.run(await_services(settings, patience_s, on_asked, names))
    except ServiceUnavailableError as fault:
        raise UserError(str(fault)) from fault
