"""Which chunks the workers of a round have folded, and which of them more than once."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any

from tests.faults.failpoints import STEPS, wrap

FOLDS = "RIG_FOLDS"
"""Variable of a worker: the file in which it notes each chunk that it folds."""


@dataclass(frozen=True, order=True)
class Fold:
    """A chunk that a worker began to fold: when [s], and its first offset."""

    time: float
    partition: int
    follows: int


def note(environment: Mapping[str, str]) -> None:
    """Have this process note its folds, if the environment names a file for it."""
    if name := environment.get(FOLDS):
        place = os.open(name, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
        wrap(STEPS["fold"], partial(_noting, place))


def _noting(place: int, fold: Any) -> Any:
    @wraps(fold)
    def run(work: Any, chunk: Any, before: int) -> Any:
        os.write(place, f"{time.time()} {chunk.partition} {chunk.follows}\n".encode())
        return fold(work, chunk, before)

    return run


def read(notes: Iterable[Path]) -> list[Fold]:
    """What was noted, in the order in which it happened."""
    rows = [line.split() for path in notes for line in path.read_text().splitlines()]
    return sorted(Fold(float(at), int(number), int(follows)) for at, number, follows in rows)


def far_back(folds: Iterable[Fold]) -> list[str]:
    """Who takes a partition over goes on at the last chunk that was folded, or behind it."""
    words, last = [], dict[int, int]()
    for fold in folds:
        before = last.get(fold.partition, 0)
        if fold.follows < before:
            words.append(
                f"partition {fold.partition} was folded from {fold.follows} on, although the "
                f"chunk at {before} was being folded: more than one chunk again"
            )
        last[fold.partition] = fold.follows
    return words
