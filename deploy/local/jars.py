"""Kafka's jars: fetched once with Maven, then kept."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from deploy.local.process import LocalServiceError, Say
from deploy.local.spawn import Child, end, spawn

POM = Path(__file__).with_name("pom.xml")

_FETCH_S = 600
_REMIND_S = 10
_REMEDY = (
    "Kafka's jars are not here yet and Maven, which fetches them, was not found on PATH. "
    "Install it (`apt-get install maven`), start a Docker engine, or set BESS_BROKERS and "
    "BESS_REDIS_URL to services that run already."
)


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of fetched files: BESS_LOCAL_DIR, else ``.local`` of the project."""
    project = Path(__file__).parents[2]
    return Path(environment.get("BESS_LOCAL_DIR") or project / ".local").absolute()


def kafka_version() -> str:
    """Return the version of Kafka that the pom asks for."""
    version = re.search(r"<kafka.version>(.+)</kafka.version>", POM.read_text())
    assert version
    return version[1]


def kafka_jars(say: Say, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the broker's jars, fetched when this pom's are not here yet.

    Raises
    ------
    LocalServiceError
        There is no Maven, or it failed.
    """
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    jars = cache_directory(environment) / f"kafka-{kafka_version()}-{digest}"
    if not jars.is_dir():
        _fetch(jars, say, environment)
    return jars


def _fetch(jars: Path, say: Say, environment: Mapping[str, str]) -> None:
    maven = shutil.which("mvn", path=environment.get("PATH", ""))
    if not maven:
        raise LocalServiceError(_REMEDY)
    say(f"fetching Kafka {kafka_version()} jars with Maven (43 MB, once)")
    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=jars.parent) as scratch:
        _run_maven(maven, Path(scratch), say)
        _move(Path(scratch) / "jars", jars)


def _run_maven(maven: str, scratch: Path, say: Say) -> None:
    log = scratch / "maven.log"
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
    target = f"-DoutputDirectory={scratch / 'jars'}"
    child = spawn([maven, "-q", "-B", "-f", str(POM), *goal, target], log)
    try:
        code = _patient_wait(child, say)
    finally:
        end(child, grace_s=5)
    if code:
        raise LocalServiceError(f"Maven cannot fetch Kafka's jars:\n{log.read_text()}")


def _patient_wait(child: Child, say: Say) -> int:
    for waited in range(_REMIND_S, _FETCH_S, _REMIND_S):
        with suppress(subprocess.TimeoutExpired):
            return child.wait(_REMIND_S)
        say(f"still fetching Kafka's jars ({waited} s)")
    raise LocalServiceError(f"Maven has not fetched Kafka's jars within {_FETCH_S} s")


def _move(fetched: Path, jars: Path) -> None:
    try:
        fetched.rename(jars)
    except OSError:
        # Another process was quicker; its jars are the same.
        if not jars.is_dir():
            raise
