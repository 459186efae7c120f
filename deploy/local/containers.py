"""Kafka and Redis as containers of a Docker engine."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from deploy.local.endpoints import Endpoints
from deploy.local.jars import kafka_version
from deploy.local.kafka import BROKER_SETTINGS, serves_clients
from deploy.local.process import Say, free_port, wait_until
from deploy.local.redis import REDIS_SETTINGS, answers_ping, as_options

REDIS_IMAGE = "redis:7.4-alpine"

_START_S = 60.0


def kafka_image() -> str:
    """Return the image of the same Kafka that local processes run."""
    return f"apache/kafka:{kafka_version()}"


def as_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Return broker settings as the environment variables that Kafka's image reads."""
    return {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.items()}


def docker_answers() -> bool:
    """Tell whether a Docker engine answers and the testcontainers package is installed."""
    try:
        import docker  # noqa: PLC0415 - an optional dependency
        import testcontainers.core.container  # noqa: F401, PLC0415 - likewise
    except ImportError:
        return False
    try:
        return bool(docker.from_env(timeout=5).ping())
    except docker.errors.DockerException:
        return False


@contextmanager
def containers(say: Say) -> Iterator[Endpoints]:
    """Run both services as containers while the ``with`` block lasts."""
    broker, redis = free_port(), free_port()
    say(f"starting {kafka_image()} and {REDIS_IMAGE} in Docker (fetched the first time)")
    with (
        _container(kafka_image(), 9092, broker, environment=_broker_variables(broker)),
        _container(REDIS_IMAGE, 6379, redis, command=["redis-server", *as_options(REDIS_SETTINGS)]),
    ):
        wait_until(lambda: serves_clients(broker), "Kafka in Docker", _START_S, say)
        wait_until(lambda: answers_ping(redis), "Redis in Docker", _START_S, say)
        yield Endpoints.of(f"127.0.0.1:{broker}", f"127.0.0.1:{redis}")


def _container(
    image: str,
    inside: int,
    outside: int,
    *,
    environment: dict[str, str] | None = None,
    command: Sequence[str] | None = None,
) -> AbstractContextManager[Any]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - optional

    container = DockerContainer(image, env=environment, command=command)
    container.ports[f"{inside}/tcp"] = ("127.0.0.1", outside)
    return container  # type: ignore[no-any-return]


def _broker_variables(port: int) -> dict[str, str]:
    return as_variables(
        {
            **BROKER_SETTINGS,
            "controller.quorum.voters": "1@localhost:9093",
            "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        }
    )
