"""``python -m deploy.local``, as a person at a terminal uses it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from deploy.local.process import accepts_connections, wait_until

pytestmark = pytest.mark.kafka

COMMAND = [sys.executable, "-m", "deploy.local"]
NOTHING_GIVEN = {
    name: value
    for name, value in os.environ.items()
    if name not in {"BESS_BROKERS", "BESS_REDIS_URL"}
}

Up = Callable[[], tuple["subprocess.Popen[str]", list[int]]]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """Start both in the foreground; give the process and the ports that it prints."""
    started: list[subprocess.Popen[str]] = []

    def start() -> tuple["subprocess.Popen[str]", list[int]]:
        process = subprocess.Popen(
            [*COMMAND, "up", "--dir", str(tmp_path)],
            env=NOTHING_GIVEN,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(2)]
        return process, [int(port) for port in re.findall(r":(\d+)", "".join(lines))]

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=10)


def nobody_listens(ports: list[int]) -> bool:
    return not any(accepts_connections(port) for port in ports)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_up_serves_until_it_is_interrupted(how: signal.Signals, up: Up) -> None:
    process, ports = up()
    assert all(accepts_connections(port) for port in ports)

    assert process.stderr
    assert "Ctrl-C stops them\n" in iter(process.stderr.readline, "")
    process.send_signal(how)

    assert process.stderr.read() == "stopped\n"
    assert process.wait(30) == 0
    assert nobody_listens(ports)


def test_up_says_when_one_of_them_ends_and_goes_on_with_the_other(up: Up) -> None:
    process, (kafka, redis) = up()
    assert process.stderr

    with Redis(port=redis) as client:
        client.shutdown(nosave=True)

    told = next(line for line in process.stderr if "has ended" in line)
    assert f"Redis on 127.0.0.1:{redis} has ended with status 0; the end of" in told
    assert accepts_connections(kafka)


def test_servers_die_with_a_parent_that_is_killed(up: Up) -> None:
    process, ports = up()

    process.kill()

    wait_until(lambda: nobody_listens(ports), "the end of both", 10, print)


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 128 + signal.SIGTERM)]
)
def test_run_passes_the_exit_code_on(script: str, code: int) -> None:
    given = {**NOTHING_GIVEN, "BESS_BROKERS": "kafka:9092", "BESS_REDIS_URL": "redis://redis/0"}

    ran = subprocess.run(
        [*COMMAND, "run", "--", "sh", "-c", script], env=given, timeout=30, check=False
    )

    assert ran.returncode == code


def test_run_gives_the_command_services_and_stops_them_after_it() -> None:
    script = "echo $BESS_BROKERS $BESS_REDIS_URL"

    ran = subprocess.run(
        [*COMMAND, "run", "--", "sh", "-c", script],
        env=NOTHING_GIVEN,
        timeout=90,
        capture_output=True,
        text=True,
        check=False,
    )
    ports = [int(port) for port in re.findall(r":(\d+)", ran.stdout)]

    assert ran.returncode == 0
    assert len(ports) == 2
    assert nobody_listens(ports)


def test_a_command_that_does_not_exist_is_named() -> None:
    given = {**NOTHING_GIVEN, "BESS_BROKERS": "kafka:9092", "BESS_REDIS_URL": "redis://redis/0"}

    ran = subprocess.run(
        [*COMMAND, "run", "--", "no-such-command"],
        env=given,
        timeout=30,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1
    assert "error: cannot run no-such-command: No such file" in ran.stderr
