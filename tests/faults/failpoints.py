"""Points in a worker's work at which it can be killed, frozen or made to fail.

The production code knows nothing of them: the engine's collaborators are wrapped by name in the
worker's process, and a name that is not there any more is an error, not a point that never fires.
"""

import functools
import importlib
import inspect
import os
import signal
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAIL_AT, FIRED = "RIG_FAIL_AT", "RIG_FIRED"
"""Variables of a worker: its failpoint, and the file in which it notes that it fires."""

ENGINE = "stream_app.engine"


@dataclass(frozen=True)
class Step:
    """A call in the engine: where it is found, and whether it counts inside a commit only."""

    name: str
    module: str
    path: str
    inside_commit: bool | None = None


STEPS = {
    step.name: step
    for step in (
        Step("take", f"{ENGINE}.engine", "Engine.start"),
        Step("fold", "stream_app.agents", "EnergyWork.fold"),
        Step("begin", "aiokafka", "AIOKafkaProducer.begin_transaction"),
        Step("send", "aiokafka", "AIOKafkaProducer.send"),
        Step("flush", "aiokafka", "AIOKafkaProducer.flush", inside_commit=True),
        Step("offsets", "aiokafka", "AIOKafkaProducer.send_offsets_to_transaction"),
        Step("commit", "aiokafka", "AIOKafkaProducer.commit_transaction"),
        Step("swap", f"{ENGINE}.view", "RedisView.swap", inside_commit=True),
        Step("fence", f"{ENGINE}.publisher", "ExactlyOnce.start"),
        Step("changelog", f"{ENGINE}.recovery", "_restore"),
        Step("rebuild", f"{ENGINE}.view", "RedisView.swap", inside_commit=False),
    )
}
"""In the order in which a worker comes to them; the last three are those of a take-over."""
COMMIT = Step("", f"{ENGINE}.partition", "Partition.commit")
SIDES = ("before", "after")
ACTIONS = ("kill", "stop", "raise")

_committing: ContextVar[bool] = ContextVar("committing", default=False)


@dataclass(frozen=True)
class FailPoint:
    """The ``count``-th time that a worker comes to one side of a step, it does ``action``."""

    step: str
    side: str
    count: int = 1
    action: str = "kill"

    @classmethod
    def parse(cls, text: str) -> "FailPoint":
        """Read ``step.side:count:action``.

        Raises
        ------
        ValueError
            There is no such step, side or action.
        """
        place, count, action = text.split(":")
        step, side = place.split(".")
        if step not in STEPS or side not in SIDES or action not in ACTIONS:
            raise ValueError(f"{text}: is not a failpoint; steps are {', '.join(STEPS)}")
        return cls(step, side, int(count), action)

    def __str__(self) -> str:
        return f"{self.step}.{self.side}:{self.count}:{self.action}"


def arm(environment: Mapping[str, str]) -> None:
    """Wrap the step that the environment names, if it names one."""
    if text := environment.get(FAIL_AT):
        point = FailPoint.parse(text)
        step = STEPS[point.step]
        wrap(COMMIT, _marking_commits)
        wrap(step, functools.partial(_failing, _Trap(point, step, Path(environment[FIRED]))))


def find(step: Step) -> tuple[Any, str]:
    """Where the step's function hangs: the class or module, and the name there.

    Raises
    ------
    AttributeError
        The engine has no such function any more.
    """
    *outer, name = step.path.split(".")
    owner = functools.reduce(getattr, outer, importlib.import_module(step.module))
    getattr(owner, name)
    return owner, name


def wrap(step: Step, wrapper: Callable[[Any], Any]) -> None:
    """Put ``wrapper(function)`` in the place of a step's function."""
    owner, name = find(step)
    setattr(owner, name, wrapper(getattr(owner, name)))


@dataclass
class _Trap:
    point: FailPoint
    step: Step
    log: Path
    seen: int = 0

    def pass_by(self, side: str) -> None:
        if side != self.point.side or self.step.inside_commit not in {None, _committing.get()}:
            return
        self.seen += 1
        if self.seen == self.point.count:
            self._fire()

    def _fire(self) -> None:
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"{self.point}\n")
        if self.point.action == "raise":
            raise RuntimeError(f"failpoint {self.point}")
        os.kill(os.getpid(), signal.SIGKILL if self.point.action == "kill" else signal.SIGSTOP)


def _failing(trap: _Trap, function: Any) -> Any:
    if not inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            trap.pass_by("before")
            result = function(*args, **kwargs)
            trap.pass_by("after")
            return result

        return call

    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        trap.pass_by("before")
        result = await function(*args, **kwargs)
        trap.pass_by("after")
        return result

    return run


def _marking_commits(commit: Any) -> Any:
    @functools.wraps(commit)
    async def run(*args: Any, **kwargs: Any) -> Any:
        token = _committing.set(True)
        try:
            return await commit(*args, **kwargs)
        finally:
            _committing.reset(token)

    return run
