"""``bess state``: look at the states, save, restore, compare and move them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from stream_app.cli.deployment import load_settings
from stream_app.cli.errors import UserError
from stream_app.cli.times import local_time

if TYPE_CHECKING:
    from stream_app.settings import Settings
    from stream_app.upkeep.scrub import Scrubbed
    from stream_app.upkeep.show import Found
    from stream_app.upkeep.stores import Stores

T = TypeVar("T")

app = typer.Typer(
    no_args_is_help=True,
    help="Look at the states of enclosures, save, restore, compare and move them.",
)


class Where(StrEnum):
    """Where a telemetry partition is folded on from."""

    START = "start"
    END = "end"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Force = Annotated[bool, typer.Option("--force", help="Also where it goes back in time.")]


@app.command()
def show(
    enclosure: Annotated[
        str,
        typer.Argument(help="Id of an enclosure, or a battery system; or site/ and either."),
    ],
    as_json: AsJson = False,
) -> None:
    """Show what is known of an enclosure or a battery system now, from Redis.

    Its power block and DC input, the event clock, energy of the open windows and since the start,
    samples that wait or are set aside, alarms that stand, and how far the partition is folded.
    Energy of samples that wait for the allowed lateness is not in the windows yet.

    Of a battery system: event clocks, newest values, open windows and conditions that stand, of
    each pack and of the whole; what the charge ledger counts from; bytes of each part. One with
    the name of an enclosure is asked for as SITE/battery/SYSTEM.
    """
    from stream_app.upkeep.show import find

    found = [] if "/battery/" in enclosure else _run(find(load_settings(), enclosure))
    if not found:
        _show_battery(enclosure, as_json)
    elif as_json:
        _print_json([{**asdict(each.enclosure), **each.place()} for each in found])
    else:
        for each in found:
            _print_enclosure(each)


def _show_battery(name: str, as_json: bool) -> None:
    from stream_app.cli.state_battery import print_battery
    from stream_app.reports.battery_data import NotFoundError
    from stream_app.upkeep import batteries

    try:
        found = _run(batteries.show(load_settings(), name))
    except NotFoundError as fault:
        raise UserError(
            f"no state of an enclosure {name} in Redis, and {fault}; check the name and "
            "BESS_PREFIX, and `bess doctor` for what Redis shows"
        ) from fault
    if as_json:
        _print_json({**asdict(found.battery), **found.place()})
    else:
        print_battery(found)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="File to write; one that exists is replaced.")],
) -> None:
    """Save all states to a file, each partition at one instant; workers may go on.

    The file says which telemetry the states stand for, so that `bess state import` brings exactly
    this moment back. It holds energy and topology, and no secrets.
    """
    from stream_app.upkeep import backup
    from stream_app.upkeep.stores import open_view

    settings = load_settings()

    async def run() -> backup.Backup:
        async with open_view(settings) as view:
            with _steps("reading Redis", settings.partitions) as step:
                return await backup.take(view, settings.partitions, step)

    taken = _run(run())
    try:
        size = backup.write(file, taken)
    except OSError as fault:
        raise UserError(f"{file} cannot be written: {fault.strerror}") from fault
    typer.echo(f"{file}: {taken.states} states of {len(taken.copies)} partitions, {size:,} bytes")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="File that `bess state export` wrote.")],
    into_changelog: Annotated[
        bool,
        typer.Option("--into-changelog", help="The state topic is lost too: write it anew."),
    ] = False,
    force: Force = False,
) -> None:
    """Restore the states of a file; no worker may run.

    Into Redis: workers then apply what the changelog has since, as after any restart. With
    --into-changelog the states are appended to the state topic as well, and workers fold the
    telemetry on from the moment of the backup: results since then are published once more.
    """
    from stream_app.upkeep import backup, restore

    settings = load_settings()
    bring = restore.into_changelog if into_changelog else restore.into_redis

    async def run(stores: "Stores") -> backup.Backup:
        found = backup.read(file)
        with _steps("restoring", len(found.copies)) as step:
            await bring(stores, found, step, force=force)
        return found

    found = _with_stores(settings, run)
    where = "the changelog and Redis" if into_changelog else "Redis"
    typer.echo(
        f"{found.states} states of {len(found.copies)} partitions, taken {found.taken}, are in "
        f"{where}: start the workers"
    )


@app.command()
def scrub(
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Clear partitions that differ; workers rebuild them."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare every state in Redis with the changelog; exit status 1 if any differs.

    Safe beside workers: each partition is compared up to the position that Redis shows. Workers
    also compare what they own, and put it right by themselves; --repair needs them stopped.
    """
    from stream_app.upkeep.scrub import clear
    from stream_app.upkeep.scrub import scrub as compare

    settings = load_settings()

    async def run(stores: "Stores") -> "list[Scrubbed]":
        found = []
        with _steps("comparing", settings.partitions) as step:
            for number in stores.numbers:
                found.append(await compare(stores, number))
                step()
        if repair:
            await clear(stores, [each for each in found if each.wrong])
        return found

    found = _with_stores(settings, run)
    wrong = [each for each in found if each.wrong]
    if as_json:
        _print_json([asdict(each) for each in found])
    else:
        _print_scrubbed(found, wrong, repair=repair)
    raise typer.Exit(1 if wrong and not repair else 0)


def _print_scrubbed(
    found: "Sequence[Scrubbed]", wrong: "Sequence[Scrubbed]", *, repair: bool
) -> None:
    for each in wrong:
        for line in each.wrong:
            typer.echo(f"partition {each.number}: {line}")
    states = sum(each.states for each in found)
    if not wrong:
        typer.echo(f"{states} states of {len(found)} partitions are as in the changelog")
    elif repair:
        typer.echo(f"{len(wrong)} partitions are cleared: the next `bess worker` rebuilds them")
    elif any(each.only_copy for each in wrong):
        typer.echo(
            f"{len(wrong)} of {len(found)} partitions differ, and Redis has the only copy: stop "
            "the workers, `bess state export FILE`, then `bess state import FILE --into-changelog`"
        )
    else:
        typer.echo(
            f"{len(wrong)} of {len(found)} partitions differ: running workers put them right; "
            "else `bess state scrub --repair`"
        )


@app.command()
def realign(
    partition: Annotated[int, typer.Option(min=0, help="Number of the partition.")],
    to: Annotated[Where, typer.Option(help="First offset to fold: the topic's start or end.")],
) -> None:
    """Go on folding a telemetry partition from its start or end; no worker may run.

    For a topic that was made anew or lost its end, so that the states stand at an offset that it
    does not have ("source behind state"). The states themselves stay as they are.
    """
    from stream_app.upkeep.realign import realign as move

    async def run(stores: "Stores") -> Any:
        return await move(stores, partition, to.value)

    done = _with_stores(load_settings(), run)
    typer.echo(f"partition {partition}: next to fold was {done.before}, is {done.after}")
    if to is Where.START:
        typer.echo(
            f"offsets {done.first} to {done.end} will be folded; samples at times that the states "
            "have passed are too late, they go to the too-late topic and count nowhere"
        )
    else:
        typer.echo(f"offsets {done.first} to {done.end} will never be folded")
    typer.echo("start the workers")


@app.command()
def repartition(
    to: Annotated[int, typer.Option(min=1, max=256, help="New number of partitions.")],
    prefix: Annotated[str, typer.Option(help="New prefix; topics and Redis keys begin with it.")],
) -> None:
    """Move all states to another number of partitions, under a new prefix; no worker may run.

    All telemetry must be folded. The old topics stay untouched. Afterwards publishers, workers and
    readers take the new prefix: docs/runbooks/partition-count.md has the steps.
    """
    from stream_app.upkeep import repartition as job
    from stream_app.upkeep.stores import open_stores

    settings = load_settings()
    new = _under(settings, prefix, to)

    async def run(stores: "Stores") -> job.Moved:
        async with open_stores(new) as target:
            return await job.repartition(stores, target, _say)

    moved = _with_stores(settings, run)
    counts = sorted(moved.counts.values())
    typer.echo(
        f"{moved.states} states moved and read back (digest {moved.digest}); {counts[0]} to "
        f"{counts[-1]} in a partition\n"
        f"now set BESS_PREFIX={prefix} and BESS_PARTITIONS={to} for publishers, workers and "
        "reports, and start the workers: they bring Redis up by themselves"
    )


def _under(settings: "Settings", prefix: str, partitions: int) -> "Settings":
    """The settings under another prefix, with another number of partitions."""
    from pydantic import ValidationError

    from stream_app.settings import Settings

    if prefix == settings.prefix:
        raise UserError(f"--prefix {prefix} is the present one: topics keep their partitions")
    changed = {"prefix": prefix, "partitions": partitions}
    try:
        return Settings(**{**settings.model_dump(), **changed})
    except ValidationError as fault:
        raise UserError(f"--prefix {prefix}: {fault.errors()[0]['msg']}") from None


def _with_stores(settings: "Settings", call: "Callable[[Stores], Awaitable[T]]") -> T:
    from stream_app.upkeep.stores import open_stores

    async def run() -> T:
        async with open_stores(settings) as stores:
            return await call(stores)

    return _run(run())


def _run(work: Coroutine[Any, Any, T]) -> T:
    from aiokafka.errors import KafkaError

    from stream_app.reading import StreamError
    from stream_app.upkeep.stores import UpkeepError

    try:
        return asyncio.run(work)
    except (UpkeepError, StreamError) as fault:
        raise UserError(str(fault)) from fault
    except KafkaError as fault:
        raise UserError(f"Kafka: {fault}") from fault


@contextmanager
def _steps(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Progress over partitions; call what it gives after each."""
    from stream_app.reports.progress import progress

    with progress() as bar:
        task = bar.add_task(what, total=total, note="partitions")
        yield lambda: bar.advance(task)


def _say(what: str) -> None:
    typer.echo(f"{what} ...", err=True)


def _print_json(value: object) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(value)))


def _print_enclosure(found: "Found") -> None:
    from rich.table import Table

    from stream_app.cli.page import page

    each = found.enclosure
    table = Table(title=each.name, show_header=False)
    for name, text in _lines(found):
        table.add_row(name, text)
    console = page()
    console.print(table)
    energy = Table("open window", "since", "discharged kWh", "charged kWh", "samples")
    for window in each.windows:
        energy.add_row(
            window.resolution,
            local_time(window.start, each.zone),
            f"{window.discharged_kwh:,.3f}",
            f"{window.charged_kwh:,.3f}",
            f"{window.samples:,}",
        )
    console.print(energy)


def _lines(found: "Found") -> Iterator[tuple[str, str]]:
    from stream_app.doctor.clocks import far_ahead

    each = found.enclosure
    yield "power block", f"{each.site}/{each.block}"
    yield "DC input", f"{each.input}, share {each.share:.6g}"
    yield (
        "event clock",
        f"{local_time(each.clock, each.zone)}, settled {local_time(each.settled, each.zone)}",
    )
    if told := far_ahead(each.clock, time.time()):
        yield "clock is wrong", f"{told}: see docs/runbooks/BessClockAhead.md"
    if each.latest:
        stamp, power = each.latest
        yield (
            "newest sample",
            f"{power / 1000:,.1f} kW of the input, {local_time(stamp, each.zone)}",
        )
    yield "since start", f"{each.discharged_kwh:,.3f} kWh out, {each.charged_kwh:,.3f} kWh in"
    yield "waiting", f"{each.pending} samples until they are settled"
    if each.quarantine:
        times = ", ".join(local_time(stamp, each.zone) for stamp in each.quarantine)
        yield "set aside", f"{len(each.quarantine)} samples ahead of the clock: {times}"
    alarms = [f"{rule} since {local_time(since, each.zone)}" for rule, since in each.alarms.items()]
    yield "alarms", "\n".join(alarms) or "none"
    lag = (
        "not known, Kafka does not answer" if found.lag is None else f"about {found.lag:,} records"
    )
    yield "partition", f"{found.partition}, next telemetry offset {found.folded}, lag {lag}"
