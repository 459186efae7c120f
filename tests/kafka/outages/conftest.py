"""A Kafka and a Redis of their own for tests that kill, freeze and empty them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import LocalStack
from tests.kafka.support import Deployment


@pytest.fixture(scope="package")
def stack() -> Iterator[LocalStack]:
    with LocalStack() as stack:
        yield stack


@pytest.fixture
async def deployment(stack: LocalStack, prefix: str, tmp_path: Path) -> Deployment:
    where = stack.endpoints
    return await Deployment.create(where.brokers, where.redis_url, prefix, tmp_path)
