"""Commands of a deployment whose services do not answer."""

import os
import subprocess
import sys

import pytest

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
    assert "Traceback" not in ended.stderr


def test_a_worker_tells_that_it_waits_for_its_services() -> None:
    ended = bess("worker", "--patience", "2", BESS_LOG_FORMAT="json")

    assert ended.returncode == 2
    assert "waiting for Kafka and Redis" in ended.stderr


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
