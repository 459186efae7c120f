"""``bess anomalies``: models of what is unusual, learned from the archive."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_app.cli.deployment import load_settings
from stream_app.cli.errors import UserError

if TYPE_CHECKING:
    from datetime import date

    from stream_app.core.cells.forest import AnomalyModel
    from stream_app.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="Learn what is unusual for a battery from its archive, and have the stream judge by it.",
)
SEND_S = 30.0


@app.command()
def train(
    system: Annotated[str, typer.Argument(help="Battery system, as site/system.")],
    archive: Annotated[Path, typer.Option("--archive", help="Folder of `bess archive`.")],
    out: Annotated[Path, typer.Option("--out", help="File to write; one that exists is replaced.")],
    contamination: Annotated[
        float,
        typer.Option(min=0.0001, max=0.2, help="Part of the windows that is taken as unusual."),
    ] = 0.01,
    since: Annotated[
        str | None, typer.Option("--from", help="First local day, such as 2025-04-06.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="The local day after the last.")] = None,
) -> None:
    """Learn a model of one battery system; choose days on which it was well.

    The file is plain JSON: trees as numbers, thresholds, what is usual of each cell, the days, and
    a version that is a hash of all this.

    Needs scikit-learn: `pip install 'bess-stream[anomalies]'`.
    """
    import msgspec

    from stream_app.archive.disk import ArchiveError
    from stream_app.archive.train import train as learn

    site, slash, name = system.partition("/")
    if not slash:
        raise UserError(f"{system}: name the battery system as site/system")
    try:
        days = _day("--from", since), _day("--to", until)
        record = learn(archive, site, name, contamination, *days, _say, _warn)
    except ArchiveError as fault:
        raise UserError(str(fault)) from fault
    except ModuleNotFoundError as fault:
        raise UserError(
            f"{fault.name} is not installed: `pip install 'bess-stream[anomalies]'`"
        ) from fault
    try:
        out.write_bytes(msgspec.json.encode(record))
    except OSError as fault:
        raise UserError(f"{out} cannot be written: {fault.strerror}") from fault
    typer.echo(
        f"{out}: model {record.version} of {system}, {record.windows:,} windows of cells from "
        f"{record.since} to {record.until}, unusual from a score of {record.threshold:.4f}\n"
        f"have the stream judge by it: bess anomalies publish {out}"
    )


@app.command()
def publish(
    file: Annotated[Path, typer.Argument(help="File that `bess anomalies train` wrote.")],
) -> None:
    """Send a model to the stream: it judges the windows that close after it.

    It goes into the telemetry topic in order with the rows of its battery, so that a replay of the
    topic gives the same again. The newest model of a battery holds. One that does not fit the
    battery is a dead letter that says why.
    """
    settings = load_settings()
    model = read_model(file)
    asyncio.run(_send(settings, model))
    typer.echo(f"model {model.version} of {model.key} is published")


def read_model(file: Path) -> "AnomalyModel":
    """The model in a file.

    Raises
    ------
    UserError
        It cannot be read, or is no model.
    """
    from msgspec import DecodeError, ValidationError

    from stream_app.codec.anomaly_model import load_model

    try:
        return load_model(file.read_bytes())
    except OSError as fault:
        raise UserError(
            f"{file}: cannot be read: {fault.strerror}; `bess anomalies train` writes one"
        ) from fault
    except ValueError as fault:
        # What is no JSON at all was never a model: where it breaks off says nothing.
        is_json = not isinstance(fault, DecodeError) or isinstance(fault, ValidationError)
        why = f" that can be used ({fault})" if is_json else ""
        raise UserError(f"{file}: is no model{why}: `bess anomalies train` writes one") from fault


async def _send(settings: "Settings", model: "AnomalyModel") -> None:
    from aiokafka import AIOKafkaProducer
    from aiokafka.errors import KafkaError

    from schemas.topics import LARGEST_RECORD, TELEMETRY
    from stream_app.settings import kafka_options

    producer = AIOKafkaProducer(
        **kafka_options(settings), enable_idempotence=True, max_request_size=LARGEST_RECORD
    )
    topic = TELEMETRY.name(settings.prefix)
    try:
        async with asyncio.timeout(SEND_S), producer:
            await producer.send_and_wait(topic, model.data, key=model.key.encode())
    except (KafkaError, TimeoutError) as fault:
        raise UserError(
            f"Kafka at {settings.brokers} did not take the model into {topic} ({fault!r}): start "
            "it, set BESS_BROKERS, or run `bess topics create`"
        ) from fault


def _day(option: str, text: str | None) -> "date | None":
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise UserError(f"{option} {text}: is no day such as 2025-04-06") from None


def _warn(gap: str) -> None:
    typer.echo(f"warning: {gap}; choose other days, or expect false alarms", err=True)


def _say(what: str) -> None:
    typer.echo(f"{what} ...", err=True)
