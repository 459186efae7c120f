"""``bess replay --correct``: bring local days in again, and tell what that changed."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from stream_app.cli.errors import UserError
from stream_app.cli.report import ask_kafka, wait

if TYPE_CHECKING:
    from replay.correction import Days
    from replay.feed import Feed
    from replay.publish import Options
    from schemas.results import DailyRecord
    from stream_app.reading import Offsets, Topics
    from stream_app.settings import Settings

PATIENCE_S = 60.0
"""Time without headway of the workers after which the table is given up [s]."""
ROWS_SHOWN = 200


def correcting(feed: "Feed", options: "Options", first: str | None, end: str | None) -> "Options":
    """Options of a replay that replaces local days.

    Raises
    ------
    UserError
        A day is missing, or an option that has no sense with them is set.
    """
    from replay.correction import local_days

    if feed.config.signals.rules:
        raise UserError(
            "--correct is for energy from power, and this export holds signals: their days are not "
            "brought in again; `bess process` works their tables out of the export, and under "
            "another `site` the whole export can be replayed"
        )
    if first is None or end is None:
        raise UserError("--correct needs --from DATE, the first local day, and --to DATE, the end")
    if options.clock != "event":
        raise UserError("--correct keeps the time of the rows: leave --clock out")
    days = local_days(first, end, feed.config.parsing.timezone)
    _check_rows(feed, options, days)
    return replace(options, from_ms=days.from_ms, to_ms=days.to_ms, days=days)


def _check_rows(feed: "Feed", options: "Options", days: "Days") -> None:
    """Read the days once: an export without them would leave all their energy unknown."""
    from replay.pacing import SystemClock
    from replay.publish import dry_run

    inside = replace(options, from_ms=days.since_ms, to_ms=days.until_ms)
    if not dry_run(feed, inside, SystemClock(), lambda _: None).rows:
        raise UserError("the export has no row between --from and --to: nothing is corrected")


@dataclass(frozen=True)
class Before:
    """What stood before a correction: newest daily records, and the end of the dead letters."""

    daily: "list[DailyRecord]"
    letters: "Offsets"


def look(site: str) -> Before:
    """Read what stands before a correction."""
    return ask_kafka(lambda settings: _before(settings, site))


def tell(site: str, name: str, before: Before) -> None:
    """Wait for the workers, and print what the correction has changed.

    Raises
    ------
    UserError
        No worker makes headway, or one has refused the correction or a part of it.
    """
    from stream_app.reports.corrected import changes, table

    refused, daily = ask_kafka(lambda settings: _after(settings, site, name, before))
    found = changes(before.daily, daily)
    if found:
        Console().print(table(found[:ROWS_SHOWN]))
        if len(found) > ROWS_SHOWN:
            typer.echo(f"and {len(found) - ROWS_SHOWN:,} more: bess report writes all days")
    elif not refused:
        typer.echo("no day has changed in this run; bess report writes all days")
    if refused:
        raise UserError("the workers refused records of the correction\n" + "\n".join(refused))


async def _before(settings: "Settings", site: str) -> Before:
    from schemas.topics import DEAD_LETTERS
    from stream_app.reading import open_topics
    from stream_app.settings import kafka_options

    async with open_topics(kafka_options(settings)) as topics:
        letters = await topics.partitions(DEAD_LETTERS.name(settings.prefix))
        daily = await _daily(settings, topics, site)
        return Before(daily, await topics.ends(letters, open_too=True))


async def _after(
    settings: "Settings", site: str, name: str, before: Before
) -> "tuple[list[str], list[DailyRecord]]":
    from stream_app.reading import StreamError, open_topics
    from stream_app.reports.corrected import refusals
    from stream_app.reports.progress import progress
    from stream_app.settings import kafka_options

    with progress() as shown:
        async with open_topics(kafka_options(settings)) as topics:
            try:
                await wait(settings, topics, shown, PATIENCE_S)
            except StreamError as fault:
                raise StreamError(f"the correction is published; {fault}") from fault
            ends = await topics.ends([*before.letters], open_too=True)
            refused = await refusals(topics, before.letters, ends, name)
            return refused, await _daily(settings, topics, site)


async def _daily(settings: "Settings", topics: "Topics", site: str) -> "list[DailyRecord]":
    from stream_app.reports.station import SiteReader

    return await SiteReader(topics, settings.prefix, site, True, lambda _: None).daily()
