"""A worker that starts in the outage of a service waits for it, and then does all of its work."""

import pytest

from deploy.local import LocalStack
from deploy.local.process import free_port
from tests.kafka.pages import pages
from tests.kafka.results import expected, streamed
from tests.kafka.support import Deployment, records, station

pytestmark = pytest.mark.kafka

PORT = free_port()
ask, until_ready_says = pages(PORT)
MESSAGES = station(blocks=5, minutes=200)
EVERYTHING = records(MESSAGES, 10)


@pytest.mark.parametrize(
    ("service", "frozen", "told"),
    [
        ("kafka", False, "set BESS_BROKERS"),
        ("redis", False, "set BESS_REDIS_URL"),
        ("redis", True, "set BESS_REDIS_URL"),
    ],
)
async def test_a_worker_that_starts_before_a_service_waits_for_it(
    deployment: Deployment, stack: LocalStack, service: str, frozen: bool, told: str
) -> None:
    await deployment.produce(EVERYTHING)
    server = stack.kafka if service == "kafka" else stack.redis
    begin, end = (server.pause, server.resume) if frozen else (server.kill, server.start)
    begin()
    try:
        with deployment.worker(BESS_METRICS_PORT=str(PORT)) as worker:
            await until_ready_says(deployment, told)
            up = int(service != "redis")
            assert f"\nbess_pipeline_redis_up {up}.0\n" in ask("/metrics")[1]
            assert ask("/healthz") == (200, "alive\n")
            end()
            await deployment.wait_until_done()
            await until_ready_says(deployment, "ready")
            assert worker.poll() is None
            worker.terminate()
            assert worker.wait(20) == 0
    finally:
        end()

    assert await streamed(deployment) == expected(MESSAGES)


async def test_a_worker_that_waits_for_a_service_leaves_at_once_when_told(
    deployment: Deployment, stack: LocalStack
) -> None:
    stack.redis.pause()
    try:
        with deployment.worker(BESS_METRICS_PORT=str(PORT)) as worker:
            await until_ready_says(deployment, "the worker")
            worker.terminate()
            assert worker.wait(5) == 0
    finally:
        stack.redis.resume()
