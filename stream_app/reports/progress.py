"""Progress on stderr: what is done, how fast, how long still."""

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from time import monotonic
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

LINE_S = 10.0


class RateColumn(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="dim")


class Lines(Progress):
    """Where nobody watches: a line each ten seconds on what has just moved.

    Parameters
    ----------
    now
        Seconds that never step back.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        super().__init__(disable=True, get_time=now)
        self._due = now() + LINE_S

    def update(self, task_id: TaskID, **changes: Any) -> None:
        super().update(task_id, **changes)
        self._tell(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        if self.get_time() < self._due:
            return
        self._due = self.get_time() + LINE_S
        task = next(each for each in self.tasks if each.id == task_id)
        sys.stderr.write(f"{task.description}: {', '.join(_told(task))}\n")
        sys.stderr.flush()


def _told(task: Task) -> Iterator[str]:
    of = "" if task.total is None else f" of {task.total:,.0f}"
    yield f"{task.completed:,.0f}{of}"
    if task.fields["note"]:
        yield task.fields["note"]
    if task.time_remaining:
        yield f"about {timedelta(seconds=round(task.time_remaining))} left"


def progress() -> Progress:
    """Make a display that vanishes when it is done; field ``note`` stands at its end."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return Lines()
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
        transient=True,
    )
