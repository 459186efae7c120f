"""Telemetry that is itself the fault."""

from tests.faults.matrix import fault, telemetry
from tests.faults.scene import Scene
from tests.faults.workload import Workload, shuffled, with_poison


async def nothing(scene: Scene) -> None:
    """The input itself is the fault."""
    await scene.until(lambda: scene.done, 120, "folding all records")


def poisoned(samples: int, seed: int) -> Workload:
    """One record in a hundred is none."""
    return with_poison(telemetry(samples, seed), 0.01, seed)


def disordered(samples: int, seed: int) -> Workload:
    """Shuffled within the lateness, one in twenty twice."""
    return shuffled(telemetry(samples, seed), seed)


fault("F18", "one record in a hundred is poison", load=poisoned)(nothing)
fault("F19", "telemetry comes shuffled and doubled", load=disordered)(nothing)
