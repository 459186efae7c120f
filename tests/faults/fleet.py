"""Workers under a supervisor that starts them again, as systemd or Kubernetes would."""

import asyncio
import itertools
import os
import shutil
import signal
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from deploy.local.spawn import Child, end, spawn
from tests.faults import folds
from tests.faults.failpoints import FAIL_AT, FIRED, FailPoint
from tests.faults.folds import FOLDS, Fold

POLL_S = 0.02
STOP_S = 30.0
LIFE_S = 25.0
"""Time in which a failpoint must fire; a worker that misses it is killed, and it does not count."""
START_S = 2.0
"""Until a worker says its first word, on an idle core: 1.75 s of computing."""
HOPELESS = 10
"""So many workers in a row that end with status 1 are no accident."""
WORKER = ("-m", "tests.faults.worker")
FENCED = 70
"""Exit status of a worker that ends itself so that recovery decides."""
TOLD = b"told to stop"


@dataclass(frozen=True)
class Life:
    """One worker process that has ended: slot, exit status, its failpoint, what it has logged."""

    slot: int
    status: int
    seconds: float
    point: FailPoint | None
    fired: bool
    log: Path = Path(os.devnull)


@dataclass
class Fleet:
    """Worker processes, one a slot, each started again when it ends.

    Attributes
    ----------
    environment
        Settings of the workers, ``BESS_...``.
    logs
        Folder of their output.
    random
        Of the pauses before a restart.
    instances
        Whether slots have fixed names: a restart then waits for no session to run out.
    frozen_s
        Time after which a worker that a failpoint froze goes on.
    plan
        Failpoints still to be given out: those of one chain to processes of one slot in a row.
    lives
        Processes that have ended.
    frozen
        Processes that a failpoint froze.
    stops
        Seconds that workers took to end in order.
    start_ups
        Seconds until workers said their first word.
    spared
        Slots that faults leave alone, so that one can see whether a worker grows.
    """

    environment: Mapping[str, str]
    logs: Path
    random: Random
    instances: bool = True
    frozen_s: float = 12.0
    command: tuple[str, ...] = WORKER
    plan: deque[Sequence[FailPoint]] = field(default_factory=deque)
    lives: list[Life] = field(default_factory=list)
    frozen: set[int] = field(default_factory=set)
    stops: list[float] = field(default_factory=list)
    start_ups: list[float] = field(default_factory=list)
    spared: frozenset[int] = frozenset()
    _chains: dict[int, Sequence[FailPoint]] = field(default_factory=dict)
    _tasks: dict[int, "asyncio.Task[None]"] = field(default_factory=dict)
    _running: dict[int, Child] = field(default_factory=dict)
    _harmed: set[int] = field(default_factory=set)
    _names: dict[int, str] = field(default_factory=dict)
    _log_of: dict[int, Path] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def add(self, slot: int, name: str | None = None) -> None:
        """Open a slot, with a worker of that name or of the slot's own."""
        if self.instances:
            self._names[slot] = name or f"slot{slot}"
        self._tasks[slot] = asyncio.create_task(self._tend(slot))

    async def remove(self, slot: int) -> int | None:
        """Close a slot: stop its worker in order, and give its exit status.

        None where none was running, or one that had been killed or frozen and may still die of it,
        or one that was too young to know of signals, or that was ending itself when it was told.
        """
        self._tasks.pop(slot).cancel()
        process = self._running.pop(slot, None)
        if process is None or process.poll() is not None:
            return None
        process.send_signal(signal.SIGCONT)
        start = time.monotonic()
        await asyncio.to_thread(end, process, STOP_S)
        if process.pid in self._harmed | self.frozen or self._deaf(slot, process.returncode):
            return None
        self.stops.append(time.monotonic() - start)
        return process.returncode

    def _deaf(self, slot: int, status: int | None) -> bool:
        """Whether a worker could not hear that it was told to stop."""
        log = self._log_of[slot].read_bytes()
        young = b'"ready"' not in log and status == -signal.SIGTERM
        return young or (status == FENCED and TOLD not in log)

    def last_words(self, slot: int) -> str:
        """The newest line in the log of a slot's worker."""
        return self._log_of[slot].read_text().rstrip().rpartition("\n")[2]

    @property
    def slowness(self) -> float:
        """How many times slower than on an idle core a worker starts here, at least 1."""
        usual = statistics.median(self.start_ups) if self.start_ups else START_S
        return max(1.0, usual / START_S)

    @property
    def slots(self) -> list[int]:
        """Open slots that are not spared."""
        return sorted(self._tasks.keys() - self.spared)

    async def stop(self) -> list[tuple[int, int | None]]:
        """Close all slots; gives what :meth:`remove` says of each."""
        slots = sorted(self._tasks)
        return list(zip(slots, await asyncio.gather(*map(self.remove, slots)), strict=True))

    @property
    def running(self) -> dict[int, int]:
        """Process ids of the workers that run now, by slot."""
        return {slot: each.pid for slot, each in self._running.items() if each.poll() is None}

    @property
    def armed_lives(self) -> int:
        """How many processes with a failpoint have ended."""
        return sum(life.point is not None for life in self.lives)

    @property
    def fired(self) -> list[FailPoint]:
        """Failpoints that have done their work."""
        return [life.point for life in self.lives if life.point and life.fired]

    def check(self) -> None:
        """Fail soon where no worker can start at all.

        Raises
        ------
        RuntimeError
            The last ones ended by themselves with an error; shows the end of the newest log.
        """
        last = self.lives[-HOPELESS:]
        if len(last) == HOPELESS and all(life.status == 1 for life in last):
            newest = max(self.logs.glob("worker-*.log"), key=lambda path: path.stat().st_mtime)
            raise RuntimeError(f"no worker can start; {newest}:\n{newest.read_text()[-2000:]}")

    def said(self, words: str) -> bool:
        """Whether a worker has logged these words."""
        return any(words in log.read_text() for log in self.logs.glob("worker-*.log"))

    @property
    def folds(self) -> list[Fold]:
        """The chunks that all workers so far have folded, in order."""
        return folds.read(self.logs.glob("folds-*"))

    def signal(self, slot: int, number: signal.Signals) -> bool:
        """Send a signal to a slot's worker; False where none is running."""
        process = self._running.get(slot)
        if process is None or process.poll() is not None:
            return False
        process.send_signal(number)
        if number in {signal.SIGKILL, signal.SIGSTOP}:
            self._harmed.add(process.pid)
        return True

    def arm(self, chains: Iterable[Sequence[FailPoint]]) -> None:
        """Give the next failpoint to each process that starts from now on."""
        self.plan.extend(chains)

    def disarm(self) -> None:
        """Processes that start from now on have no failpoint."""
        self.plan.clear()
        self._chains.clear()

    def _next_point(self, slot: int) -> FailPoint | None:
        if slot in self.spared:
            return None
        chain = self._chains.pop(slot, ()) or (self.plan.popleft() if self.plan else ())
        self._chains[slot] = chain[1:]
        return chain[0] if chain else None

    async def _tend(self, slot: int) -> None:
        while True:
            await self._live(slot)
            await asyncio.sleep(self.random.uniform(0.05, 0.3))

    async def _live(self, slot: int) -> None:
        number, point = next(self._numbers), self._next_point(slot)
        fired = self._fired(number)
        log = self._log_of[slot] = self.logs / f"worker-{number}.log"
        start = time.monotonic()
        process = self._running[slot] = spawn(self._command(slot, point, number), log)
        silent = True
        while process.poll() is None:
            await asyncio.sleep(POLL_S)
            if silent and log.stat().st_size:
                silent = False
                self.start_ups.append(time.monotonic() - start)
            if point:
                self._attend(process, point, fired, time.monotonic() - start)
        end(process, 0)
        seconds = time.monotonic() - start
        self.lives.append(Life(slot, process.returncode, seconds, point, fired.exists(), log))

    def _fired(self, number: int) -> Path:
        return self.logs / f"fired-{number}"

    def _attend(self, process: Child, point: FailPoint, fired: Path, lived_s: float) -> None:
        if not fired.exists():
            if lived_s > LIFE_S:
                process.kill()
        elif point.action == "stop":
            self.frozen.add(process.pid)
            if time.time() - fired.stat().st_mtime > self.frozen_s:
                process.send_signal(signal.SIGCONT)

    def _command(self, slot: int, point: FailPoint | None, number: int) -> list[str]:
        env = shutil.which("env")
        assert env
        own = {FOLDS: str(self.logs / f"folds-{number}")}
        if point:
            own |= {FAIL_AT: str(point), FIRED: str(self._fired(number))}
        name = {"BESS_INSTANCE": self._names[slot]} if slot in self._names else {}
        variables = {**self.environment, **own, **name}
        pairs = [f"{key}={value}" for key, value in variables.items()]
        return [env, "-i", *pairs, sys.executable, *self.command]
