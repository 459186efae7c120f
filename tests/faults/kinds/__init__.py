"""The faults, each a function of a scene: it does its work while telemetry is sent and folded.

It may leave things broken: the runner mends everything, waits until all is folded, and lets the
checker judge.
"""

from tests.faults.kinds import (
    builds,
    cluster,
    kafka,
    network,
    redis,
    telemetry,
    topics,
    upkeep,
    workers,
)
from tests.faults.matrix import Fault, faults

__all__ = [
    "FAULTS",
    "builds",
    "cluster",
    "kafka",
    "network",
    "redis",
    "telemetry",
    "topics",
    "upkeep",
    "workers",
]

FAULTS: dict[str, Fault] = faults()
"""All of them by title, in the order of their numbers."""
