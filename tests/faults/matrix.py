"""The fault matrix: what a row is made of, and how a function becomes one."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import Say
from tests.faults.expectations import Expectation, Trace
from tests.faults.scene import Scene, Servers
from tests.faults.workload import Workload, station

Inject = Callable[[Scene], Awaitable[None]]
Load = Callable[[int, int], Workload]
Open = Callable[[Path, Say], AbstractContextManager[Servers]]


def telemetry(samples: int, seed: int) -> Workload:
    """The usual workload: six blocks, a battery system and a meter, a record for each time."""
    return station(6, samples, seed, storage=True)


def nothing_more(trace: Trace) -> list[str]:
    """The results say it all."""
    return []


def always() -> None:
    """Nothing keeps it from being done."""


@dataclass(frozen=True)
class Fault:
    """One row of the fault matrix.

    Attributes
    ----------
    number, title
        As in the table of results.
    inject
        Does it.
    rounds
        Runs in a full pass.
    slots
        Workers.
    samples, load
        The telemetry: times of each block, and what makes it.
    rate
        Records sent in a second; None: all at once, so that no chunk is ever missing.
    bound_s
        Longest time that a partition may stand still, on a machine that is not overloaded.
    expects
        What must show in the workers.
    absent
        Why it cannot be done here, None where it can.
    servers
        Starts what it runs on, in a folder; None: the rig's own.
    """

    number: str
    title: str
    inject: Inject
    rounds: int = 3
    slots: int = 2
    rate: float | None = 300.0
    bound_s: float = 40.0
    samples: int = 250
    load: Load = telemetry
    instances: bool = True
    expects: Expectation = nothing_more
    absent: Callable[[], str | None] = always
    servers: Open | None = None


_FAULTS: dict[str, Fault] = {}


def faults() -> dict[str, Fault]:
    """The faults known so far by title, in the order of their numbers."""
    return dict(sorted(_FAULTS.items(), key=lambda item: int(item[1].number[1:])))


def fault(number: str, title: str, **options: object) -> Callable[[Inject], Inject]:
    """Put a function into the matrix."""

    def add(inject: Inject) -> Inject:
        _FAULTS[title] = Fault(number, title, inject, **options)  # type: ignore[arg-type]
        return inject

    return add
