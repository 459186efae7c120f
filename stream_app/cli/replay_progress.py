"""How far a replay is: a bar on a terminal, elsewhere a line now and then."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from replay.feed import Feed
    from replay.publish import OnProgress, Options, Summary

LINE_S = 10.0


@contextmanager
def shown(feed: "Feed", options: "Options") -> Iterator["OnProgress"]:
    """Show on stderr what the given function is told, while the ``with`` block lasts."""
    zone, rows = feed.config.parsing.timezone, _rows(feed, options)
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(zone, rows)
        return
    with _bar(console, rows) as bar:
        yield _painter(bar, zone)


def local(ms: int | None, zone: str) -> str:
    """A time [ms UTC] as the site's clocks show it."""
    if ms is None:
        return "-"
    moment = datetime.fromtimestamp(ms / 1000, tz=UTC).astimezone(ZoneInfo(zone))
    return moment.isoformat(sep=" ", timespec="seconds")


class Lines:
    """A line each ten seconds, and one before a longer wait.

    Parameters
    ----------
    zone
        The site's.
    rows
        Rows of the export up to the end of the replay, about.
    now
        Seconds that never step back.
    """

    def __init__(self, zone: str, rows: int, now: Callable[[], float] = monotonic) -> None:
        self._zone, self._rows, self._now = zone, rows, now
        self._due = now() + LINE_S

    def __call__(self, summary: "Summary") -> None:
        now = self._now()
        if now >= self._due or summary.waiting_s >= LINE_S:
            self._due = now + LINE_S
            typer.echo(self._line(summary), err=True)

    def _line(self, summary: "Summary") -> str:
        parts = [
            f"row {summary.next_row:,} of about {self._rows:,}",
            local(summary.last_ms, self._zone),
            _rate(summary),
        ]
        passed, to_go = summary.next_row - summary.resumed_at, self._rows - summary.next_row
        if passed > 0 and to_go > 0:
            parts.append(f"about {_duration(to_go * summary.seconds / passed)} left")
        return ", ".join([*parts, *_wait(summary)])


def _rows(feed: "Feed", options: "Options") -> int:
    if options.to_ms is None:
        return feed.total_rows
    return min(feed.total_rows, max(0, options.to_ms - feed.first_ms) // feed.interval_ms)


def _bar(console: Console, rows: int) -> Progress:
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.fields[moment]}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} rows {task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
    )
    bar.add_task("replay", total=rows or None, moment="starting", rate="")
    return bar


def _painter(bar: Progress, zone: str) -> "OnProgress":
    """Show event time, rate, and for how long the next row is waited for."""
    task = bar.tasks[0].id

    def paint(summary: "Summary") -> None:
        moment = ", ".join([local(summary.last_ms, zone), *_wait(summary)])
        bar.update(task, completed=summary.next_row, moment=moment, rate=_rate(summary))

    return paint


def _rate(summary: "Summary") -> str:
    seconds = max(summary.seconds, 1e-3)
    return (
        f"{_number(summary.rows / seconds)} rows/s, {_number(summary.samples / seconds)} samples/s"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _wait(summary: "Summary") -> list[str]:
    return [f"next in {_duration(summary.waiting_s)}"] if summary.waiting_s >= 1 else []


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
