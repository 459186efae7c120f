"""What most tests of the stream begin with."""

from pathlib import Path

import pytest

from tests.kafka.support import Deployment


@pytest.fixture
async def deployment(brokers: str, redis_url: str, prefix: str, tmp_path: Path) -> Deployment:
    return await Deployment.create(brokers, redis_url, prefix, tmp_path)
