"""What a pass is to do, as its environment says."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random

CONTROL = "control"
SOAK = "F25"
_NUMBER = re.compile(r"F\d+")


class PlanError(Exception):
    """A variable makes no sense; says which, and what may stand there."""


@dataclass(frozen=True)
class Plan:
    """What to run.

    Attributes
    ----------
    seed
        Of everything that is left to chance, except for the clock's part in it.
    minutes
        Length of the nemesis.
    kills
        Kill points that must have fired at least, all steps together.
    only
        Numbers of faults, F25 for the nemesis, and `CONTROL`; empty for all.
    """

    seed: int
    minutes: float = 30.0
    kills: int = 200
    only: frozenset[str] = frozenset()

    @classmethod
    def read(cls, environment: Mapping[str, str], known: Iterable[str]) -> "Plan":
        """Read ``CHAOS_SEED``, ``CHAOS_MINUTES``, ``CHAOS_KILLS`` and ``CHAOS_ONLY``.

        Raises
        ------
        PlanError
            One of them cannot be read, or names a fault that is not ``known``.
        """
        names = {*known, SOAK, CONTROL}
        only = frozenset(filter(None, environment.get("CHAOS_ONLY", "").split(",")))
        if only - names:
            choices = ", ".join(sorted(names, key=by_number))
            raise PlanError(f"CHAOS_ONLY={','.join(sorted(only))}: choose from {choices}")
        return cls(
            seed=int(_number(environment, "CHAOS_SEED", Random().randrange(1 << 32))),
            minutes=_number(environment, "CHAOS_MINUTES", cls.minutes),
            kills=int(_number(environment, "CHAOS_KILLS", cls.kills)),
            only=only,
        )

    def has(self, name: str) -> bool:
        """Whether a fault, the nemesis or the control is to run."""
        return not self.only or name in self.only

    def seed_of(self, title: str, number: int) -> int:
        """The seed of a round: the same whatever else is run."""
        return Random(f"{self.seed}/{title}/{number}").getrandbits(32)


def by_number(name: str) -> tuple[int, str]:
    """Key that sorts F2 before F10, and other names behind."""
    return (int(name[1:]), "") if _NUMBER.fullmatch(name) else (1000, name)


def _number(environment: Mapping[str, str], name: str, otherwise: float) -> float:
    text = environment.get(name, "")
    try:
        value = float(text or otherwise)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1 << 63:
        raise PlanError(f"{name}={text}: this must be a number that is not negative")
    return value
