"""Fixtures for tests that need a real Kafka and Redis."""

import uuid
from collections.abc import Iterator

import pytest
from hypothesis import settings

from deploy.local import Endpoints, endpoints

# How long an example takes says more about the machine than about what holds.
settings.register_profile("bess", deadline=None)
settings.load_profile("bess")


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Endpoints]:
    """Kafka and Redis, shared by the session and started when the first test asks.

    Tests that kill or freeze a server take a `deploy.local.LocalStack` of their own.
    """
    capture = request.config.pluginmanager.getplugin("capturemanager")
    terminal = request.config.pluginmanager.getplugin("terminalreporter")

    def say(message: str) -> None:
        if terminal is None:  # one of several processes that test side by side
            return
        with capture.global_and_fixture_disabled():
            terminal.write_line(message)

    with endpoints(say) as services:
        yield services


@pytest.fixture(scope="session")
def brokers(stack: Endpoints) -> str:
    return stack.brokers


@pytest.fixture(scope="session")
def redis_url(stack: Endpoints) -> str:
    return stack.redis_url


@pytest.fixture
def prefix() -> str:
    """A name that no other test has, for topics, groups and Redis keys."""
    return f"t{uuid.uuid4().hex[:8]}"
