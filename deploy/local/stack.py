"""How to come by a Kafka and a Redis."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.containers import containers, docker_answers
from deploy.local.endpoints import Endpoints
from deploy.local.kafka import kafka_server
from deploy.local.process import Say, Server, running, say_on_stderr
from deploy.local.redis import redis_server


class LocalStack:
    """Kafka and Redis as local processes, both running inside the ``with`` block.

    Parameters
    ----------
    directory
        Holds their data and logs, and is kept; by default a temporary one.
    say
        Is told what is waited for.
    environment
        Where Java, Maven and redis-server are looked for (JAVA_HOME, PATH, BESS_LOCAL_DIR).
    """

    kafka: Server
    redis: Server

    def __init__(
        self,
        directory: Path | None = None,
        say: Say = say_on_stderr,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._directory = directory
        self._say = say
        self._environment = environment
        self._cleanup = ExitStack()

    @property
    def endpoints(self) -> Endpoints:
        """Addresses of the two, the same after a restart."""
        return Endpoints.of(self.kafka.address, self.redis.address)

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            folder = (self._directory or _temporary(cleanup)).absolute()
            self.redis = redis_server(folder / "redis", self._say, self._environment)
            self.kafka = kafka_server(folder / "kafka", self._say, self._environment)
            cleanup.enter_context(running(self.redis, self.kafka))
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()


@contextmanager
def endpoints(
    say: Say = say_on_stderr, environment: Mapping[str, str] = os.environ
) -> Iterator[Endpoints]:
    """Give a Kafka and a Redis while the ``with`` block lasts.

    Those that BESS_BROKERS and BESS_REDIS_URL name, else containers when a Docker engine
    answers, else local processes. What was started here is stopped again.

    Raises
    ------
    LocalServiceError
        None of these can be had.
    """
    given = Endpoints.from_environment(environment)
    if given:
        yield given
    elif docker_answers():
        with containers(say) as started:
            yield started
    else:
        with LocalStack(say=say, environment=environment) as stack:
            yield stack.endpoints


def _temporary(cleanup: ExitStack) -> Path:
    return Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="bess-")))
