"""Where clients find the services."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from deploy.local.process import LocalServiceError

_VARIABLES = ("BESS_BROKERS", "BESS_REDIS_URL")


@dataclass(frozen=True)
class Endpoints:
    """Addresses of one Kafka and one Redis.

    Parameters
    ----------
    brokers
        Kafka's bootstrap servers, ``host:port[,host:port]``.
    redis_url
        ``redis://host:port/database``.
    """

    brokers: str
    redis_url: str

    @classmethod
    def of(cls, broker_address: str, redis_address: str) -> Self:
        """Build them from two ``host:port``."""
        return cls(broker_address, f"redis://{redis_address}/0")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self | None:
        """Return the services named by BESS_BROKERS and BESS_REDIS_URL, if both are set.

        Raises
        ------
        LocalServiceError
            Only one of the two is set.
        """
        values = [environment.get(name) for name in _VARIABLES]
        brokers, redis_url = values
        if brokers and redis_url:
            return cls(brokers, redis_url)
        if any(values):
            raise LocalServiceError(f"set both {' and '.join(_VARIABLES)}, or neither")
        return None

    def environment(self) -> dict[str, str]:
        """Return the two variables that every command of this project understands."""
        return dict(zip(_VARIABLES, (self.brokers, self.redis_url), strict=True))
