"""What a fault must lead to in the workers themselves, beyond right results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.faults.fleet import FENCED, Life
from tests.faults.folds import Fold, far_back

SHUT_OUT = "another worker has taken the partition over"


@dataclass(frozen=True)
class Trace:
    """What workers did in a round.

    Attributes
    ----------
    lives
        Those that ended before they were told to.
    stops
        Seconds that the others took to end.
    slowness
        Of the machine meanwhile; bounds in time are stretched by it.
    folds
        Chunks that they folded, in order.
    """

    lives: Sequence[Life]
    stops: Sequence[float] = ()
    slowness: float = 1.0
    folds: Sequence[Fold] = ()


Expectation = Callable[[Trace], list[str]]


def stops_within(limit_s: float) -> Expectation:
    """Each worker that is told to stop ends so soon."""

    def judge(trace: Trace) -> list[str]:
        bound_s = limit_s * trace.slowness
        return [
            f"a worker took {seconds:.1f} s to stop, the bound is {bound_s:.1f} s"
            for seconds in trace.stops
            if seconds > bound_s
        ] + ([] if trace.stops else ["no worker was stopped"])

    return judge


def one_chunk_again(trace: Trace) -> list[str]:
    """Of each partition no more than the chunk in work is folded again after a kill."""
    return far_back(trace.folds) if trace.folds else ["no chunk was noted"]


def one_is_shut_out(trace: Trace) -> list[str]:
    """A worker ended because another one had its partition, and said so."""
    if any(map(_shut_out, trace.lives)):
        return []
    ended = ", ".join(f"slot {life.slot} with {life.status}" for life in trace.lives) or "none"
    return [f"no worker ended with {FENCED} and said that it is shut out; ended: {ended}"]


def frozen_ones_are_shut_out(trace: Trace) -> list[str]:
    """Each worker that froze inside a commit ended because another one had its partition."""
    frozen = [
        life for life in trace.lives if life.fired and life.point and life.point.action == "stop"
    ]
    return [
        f"the worker that froze at {life.point} ended with {life.status}, and is not shut out"
        for life in frozen
        if not _shut_out(life)
    ] + ([] if frozen else ["no worker that froze has ended"])


def _shut_out(life: Life) -> bool:
    return life.status == FENCED and SHUT_OUT in life.log.read_text()
