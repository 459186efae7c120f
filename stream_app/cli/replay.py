"""``bess replay``: publish an export to Kafka."""

import asyncio
import logging
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_app.cli.correction import Before, correcting, look, tell
from stream_app.cli.deployment import load_settings
from stream_app.cli.errors import UserError
from stream_app.cli.feeds import contents, open_feed, tell_topology
from stream_app.cli.replay_progress import local, shown
from stream_app.cli.report import Exports

if TYPE_CHECKING:
    from replay.feed import Feed
    from replay.publish import OnProgress, Options, Summary

CONFIG = Path("config.yaml")
INTERRUPTED = 130


class Clock(StrEnum):
    """Which time the rows carry."""

    EVENT = "event"
    SHIFT = "shift"
    NOW = "now"


Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="config.yaml; else ./config.yaml.")
]
Speed = Annotated[str, typer.Option(help="Event time against real time: 1, 60, ... or max.")]
From = Annotated[str | None, typer.Option("--from", help="First time, site-local or with offset.")]
To = Annotated[
    str | None, typer.Option(help="Time before which to end, site-local or with offset.")
]
Times = Annotated[
    Clock,
    typer.Option(help="event: as in the export; shift: the first row is now; now: when sent."),
]
BlockRows = Annotated[
    int, typer.Option(min=1, max=100_000, help="Rows in a Kafka record, at most.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Read and check everything, publish nothing.")
]
End = Annotated[
    bool, typer.Option(help="Say at the end that no more is to come: open windows close.")
]
Again = Annotated[bool, typer.Option("--again", help="Run a completed replay once more.")]
Restart = Annotated[
    bool, typer.Option("--restart", help="Begin at the first row, whatever is published.")
]
Packed = Annotated[
    bool, typer.Option("--packed", help="Cells of batteries in binary, not JSON: smaller.")
]
Correct = Annotated[
    bool,
    typer.Option(
        "--correct", help="The local days --from to before --to replace what was counted."
    ),
]


def replay(
    exports: Exports = None,
    *,
    config: Config = None,
    speed: Speed = "max",
    from_: From = None,
    to: To = None,
    clock: Times = Clock.EVENT,
    block_rows: BlockRows = 500,
    dry_run: DryRun = False,
    end: End = True,
    again: Again = False,
    restart: Restart = False,
    packed: Packed = False,
    correct: Correct = False,
) -> None:
    """Publish an export to Kafka; run again after an interruption, it goes on where it ended."""
    from replay.errors import ReplayError
    from replay.publish import Options

    before: Before | None = None
    try:
        feed = _open(exports or [], config)
        options = Options(
            speed=_speed(speed),
            clock=clock.value,
            block_rows=block_rows,
            end=end,
            again=again,
            restart=restart,
            packed=packed,
        )
        if clock is Clock.SHIFT and options.speed is None:
            _say("warning: shifted rows at --speed max lie in the future; --speed 1 runs in step")
        if correct:
            options = correcting(feed, options, from_, to)
            before = None if dry_run else look(feed.config.site)
        else:
            options = _between(feed, options, from_, to)
        summary = _dry_run(feed, options) if dry_run else _publish(feed, options)
    except ReplayError as fault:
        raise UserError(str(fault)) from fault
    _tell(feed, summary)
    if summary.state == "interrupted":
        raise typer.Exit(INTERRUPTED)
    if before is not None:
        tell(feed.config.site, summary.replay, before)


def _open(exports: list[str], config: Path | None) -> "Feed":
    from replay.config import load_config

    if config is None and CONFIG.exists():
        config = CONFIG
    if config is None and not exports:
        raise UserError("no export is named: give its path, or --config with data.paths")
    feed = open_feed(load_config(config, exports))
    every = f"{feed.interval_ms / 1000:g} s"
    _say(
        f"{len(feed.files):,} file(s), about {feed.total_rows:,} rows every {every}, "
        f"{contents(feed)}"
    )
    return feed


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError as fault:
        raise UserError(f"--speed {text}: write a number above 0, or max") from fault
    if not 0 < speed < float("inf"):
        raise UserError(f"--speed {text}: write a number above 0, or max")
    return speed


def _between(feed: "Feed", options: "Options", from_: str | None, to: str | None) -> "Options":
    zone = feed.config.parsing.timezone
    first, end = _instant(from_, zone, "--from"), _instant(to, zone, "--to")
    return replace(options, from_ms=first, to_ms=end)


def _instant(text: str | None, zone: str, option: str) -> int | None:
    from replay.localtime import instant

    if text is None:
        return None
    try:
        return instant(text, zone)
    except ValueError as fault:
        raise UserError(f"{option}: {fault}") from fault


def _dry_run(feed: "Feed", options: "Options") -> "Summary":
    from replay.pacing import SystemClock
    from replay.publish import dry_run

    tell_topology(feed)
    with shown(feed, options) as paint:
        return dry_run(feed, options, SystemClock(), paint)


def _publish(feed: "Feed", options: "Options") -> "Summary":
    from replay.explained import tell_the_rest
    from replay.pacing import SystemClock
    from replay.publish import publish
    from stream_app.settings import kafka_options

    settings = load_settings()
    kafka = kafka_options(settings)
    # Every fault reaches the person as one sentence; the client's own lines would bury it.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    _say(f"publishing to {settings.brokers}, topics {settings.prefix}.*")

    async def run(paint: "OnProgress") -> "Summary":
        asyncio.get_running_loop().set_exception_handler(tell_the_rest)
        stop = asyncio.Event()
        _stop_on_interrupt(stop)
        return await publish(feed, options, settings.prefix, kafka, SystemClock(), stop, paint)

    with shown(feed, options) as paint:
        return asyncio.run(run(paint))


def _stop_on_interrupt(stop: asyncio.Event) -> None:
    """Let the first Ctrl-C finish the transaction in hand, and a second one end at once."""
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        _say("finishing the transaction in hand ...")
        loop.remove_signal_handler(signal.SIGINT)
        stop.set()

    with suppress(NotImplementedError):  # Windows' loop has no signals
        loop.add_signal_handler(signal.SIGINT, interrupted)


def _tell(feed: "Feed", summary: "Summary") -> None:
    zone = feed.config.parsing.timezone
    typer.echo(f"replay {summary.replay}: {_state(summary)}")
    if summary.state == "was complete":
        return
    seconds = max(summary.seconds, 1e-3)
    typer.echo(
        f"{summary.rows:,} rows, {summary.samples:,} samples, {summary.records:,} records in "
        f"{summary.seconds:.1f} s ({summary.samples / seconds:,.0f} samples/s)"
    )
    if summary.first_ms is not None and summary.last_ms is not None:
        typer.echo(f"from {local(summary.first_ms, zone)} to {local(summary.last_ms, zone)}")
        typer.echo(f"Grafana: ?from={summary.first_ms}&to={summary.last_ms + feed.interval_ms}")
    if summary.topics:
        typer.echo(f"topics: {', '.join(summary.topics)}")
    for line in feed.issues.lines():
        typer.echo(line)


def _state(summary: "Summary") -> str:
    if summary.state == "was complete":
        return "is complete already, nothing was published; --again publishes it once more"
    if summary.state == "interrupted":
        return f"interrupted at row {summary.next_row:,}; the same command goes on from there"
    began = f", resumed at row {summary.resumed_at:,}" if summary.resumed_at else ""
    return f"{summary.state}{began}"


def _say(message: str) -> None:
    print(message, file=sys.stderr)  # noqa: T201 - progress, not a result
