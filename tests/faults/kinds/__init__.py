"""The faults, each a function of a scene: it does its work while telemetry is sent and folded.

It may leave things broken: the runner mends everything, waits until all is folded, and lets the
checker judge.
"""

from tests.faults.kinds import kafka, network, redis, telemetry, workers
from tests.faults.matrix import Fault, faults

__all__ = ["FAULTS", "kafka", "network", "redis", "telemetry", "workers"]

FAULTS: dict[str, Fault] = faults()
"""All of them by title, in the order of their numbers."""
