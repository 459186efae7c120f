"""Commands of a deployment whose services do not answer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.process import free_port, wait_until
from tests.kafka.pages import ask

NOWHERE = {"BESS_BROKERS": "127.0.0.1:1", "BESS_REDIS_URL": "redis://127.0.0.1:1/0"}


def bess(*command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "stream_app", *command],
        env={**os.environ, **NOWHERE, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "command", [["topics", "create"], ["topics", "check"], ["worker", "--patience", "0"]]
)
def test_a_broker_that_does_not_answer_is_named_with_the_setting_that_names_it(
    command: list[str],
) -> None:
    ended = bess(*command)

    assert ended.returncode == 2
    assert "Kafka does not answer at 127.0.0.1:1" in ended.stderr
    assert "BESS_BROKERS" in ended.stderr
    assert ("Redis does not answer" in ended.stderr) == (command[0] == "worker")
    assert "Traceback" not in ended.stderr
    assert not ended.stdout


def test_a_worker_gives_up_after_its_patience() -> None:
    ended = bess("worker", "--patience", "2", BESS_METRICS_PORT="0", BESS_LOG_FORMAT="json")

    assert ended.returncode == 2
    assert "Kafka does not answer at 127.0.0.1:1" in ended.stderr
    assert "Redis does not answer" in ended.stderr


def test_a_worker_without_services_waits_shows_it_and_leaves_at_once_when_told(
    tmp_path: Path,
) -> None:
    port, log = free_port(), tmp_path / "worker.log"
    given = {"BESS_METRICS_PORT": str(port), "BESS_LOG_FORMAT": "json"}
    with log.open("wb") as file:
        worker = subprocess.Popen(
            [sys.executable, "-m", "stream_app", "worker"],
            env={**os.environ, **NOWHERE, **given},
            stderr=file,
        )
    try:
        wait_until(lambda: "Kafka does" in ask(port, "/readyz")[1], "/readyz", 20, print)
        status, why = ask(port, "/readyz")
        assert status == 503
        assert "at 127.0.0.1:1: start it, or set BESS_BROKERS" in why
        assert "start it, or set BESS_REDIS_URL" in why
        assert ask(port, "/healthz") == (200, "alive\n")
        assert "\nbess_pipeline_redis_up 0.0\n" in ask(port, "/metrics")[1]
        assert "\nbess_pipeline_assigned_partitions 0.0\n" in ask(port, "/metrics")[1]
        worker.terminate()
        assert worker.wait(5) == 0
    finally:
        worker.kill()
        worker.wait()
    (line,) = [line for line in log.read_text().splitlines() if "waiting for" in line]
    assert "set BESS_BROKERS" in line
    assert "set BESS_REDIS_URL" in line
    assert "Traceback" not in log.read_text()


def test_a_setting_that_is_not_valid_is_named() -> None:
    ended = bess("topics", "check", BESS_PARTITIONS="0")

    assert ended.returncode == 2
    assert "BESS_PARTITIONS" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.kafka
def test_a_redis_that_does_not_answer_is_named(brokers: str) -> None:
    ended = bess("worker", "--patience", "0", BESS_BROKERS=brokers)

    assert ended.returncode == 2
    assert "Redis does not answer" in ended.stderr


@pytest.mark.kafka
def test_a_worker_without_topics_says_how_to_make_them(
    brokers: str, redis_url: str, prefix: str
) -> None:
    ended = bess("worker", BESS_BROKERS=brokers, BESS_REDIS_URL=redis_url, BESS_PREFIX=prefix)

    assert ended.returncode == 2
    assert "bess topics create" in ended.stderr
