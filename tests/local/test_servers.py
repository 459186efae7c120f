"""Local Kafka and Redis: what they keep, and that nothing is left behind."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from deploy.local import LocalServiceError, LocalStack, Server
from deploy.local.kafka import kafka_server
from deploy.local.process import accepts_connections, free_port, wait_until

pytestmark = pytest.mark.kafka

ENDINGS = [pytest.param(Server.stop, id="stop"), pytest.param(Server.kill, id="kill")]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with LocalStack(tmp_path_factory.mktemp("stack"), say=quiet) as stack:
        yield stack


def quiet(message: str) -> None:
    pass


def port_of(server: Server) -> int:
    return int(server.address.rpartition(":")[2])


async def create(topic: str, brokers: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def write(topic: str, values: list[bytes], brokers: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=brokers, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def read(topic: str, count: int, brokers: str) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers)
    async with consumer:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        return [(await consumer.getone()).value for _ in range(count)]


@pytest.mark.parametrize("end", ENDINGS)
async def test_kafka_keeps_acknowledged_records_and_its_address(
    end: Callable[[Server], None], local: LocalStack, prefix: str
) -> None:
    brokers = local.endpoints.brokers
    values = [b"one", b"two", b"three"]
    await create(prefix, brokers)
    await write(prefix, values, brokers)

    end(local.kafka)
    assert not accepts_connections(port_of(local.kafka))
    local.kafka.start()

    assert await read(prefix, 3, local.endpoints.brokers) == values
    assert local.endpoints.brokers == brokers


@pytest.mark.parametrize("end", ENDINGS)
def test_redis_keeps_acknowledged_values_and_its_address(
    end: Callable[[Server], None], local: LocalStack, prefix: str
) -> None:
    url = local.endpoints.redis_url
    with Redis.from_url(url) as client:
        client.set(prefix, "kept")

    end(local.redis)
    assert not accepts_connections(port_of(local.redis))
    local.redis.start()

    assert local.endpoints.redis_url == url
    with Redis.from_url(url) as client:
        assert client.get(prefix) == b"kept"


def test_a_frozen_server_is_silent_until_it_is_resumed(local: LocalStack) -> None:
    with Redis.from_url(local.endpoints.redis_url, socket_timeout=0.3) as client:
        local.redis.pause()
        with pytest.raises(RedisTimeoutError):
            client.ping()

        local.redis.resume()
        assert client.ping()


def test_a_frozen_server_can_be_stopped_and_started(local: LocalStack) -> None:
    local.redis.pause()
    local.redis.stop()
    local.redis.start()

    with Redis.from_url(local.endpoints.redis_url) as client:
        assert client.ping()


def test_starting_a_running_server_changes_nothing(local: LocalStack) -> None:
    pid = local.redis.pid
    local.redis.start()

    assert local.redis.pid == pid


async def test_topics_exist_only_when_created(local: LocalStack, prefix: str) -> None:
    async with AIOKafkaConsumer(bootstrap_servers=local.endpoints.brokers) as consumer:
        consumer.subscribe([prefix])
        await consumer.getmany(timeout_ms=300)

        assert prefix not in await consumer.topics()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("maxmemory-policy", "noeviction"), ("appendonly", "yes"), ("appendfsync", "everysec")],
)
def test_redis_keeps_everything_it_is_given(setting: str, value: str, local: LocalStack) -> None:
    with Redis.from_url(local.endpoints.redis_url) as client:
        assert client.config_get(setting) == {setting: value}


def test_a_server_outlives_the_thread_that_started_it(local: LocalStack) -> None:
    local.redis.stop()
    starter = threading.Thread(target=local.redis.start)
    starter.start()
    starter.join()

    with Redis.from_url(local.endpoints.redis_url) as client:
        assert client.ping()


def test_an_error_inside_the_block_stops_both_and_removes_what_was_temporary() -> None:
    stack = LocalStack(say=quiet)

    with pytest.raises(ZeroDivisionError), stack:
        raise ZeroDivisionError

    folder = stack.kafka.log.parents[1]
    assert stack.kafka.pid is stack.redis.pid is None
    assert not folder.exists()


def test_kafka_that_cannot_start_shows_the_end_of_its_log(
    local: LocalStack, tmp_path: Path
) -> None:
    other = kafka_server(tmp_path, quiet)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=x\n")

    with pytest.raises(LocalServiceError, match=r"(?s)Kafka ended while starting.*node.id"):
        other.start()
    assert other.pid is None


def server(command: list[str], log: Path, *, start_s: float) -> Server:
    port = free_port()
    return Server(
        name="Thing",
        address=f"127.0.0.1:{port}",
        command=lambda: command,
        answers=lambda: accepts_connections(port),
        log=log,
        say=quiet,
        start_s=start_s,
    )


def test_a_server_that_never_answers_is_ended_at_the_deadline(tmp_path: Path) -> None:
    deaf = server(["/bin/sleep", "60"], tmp_path / "log", start_s=0.2)

    with pytest.raises(LocalServiceError, match="Thing does not answer after"):
        deaf.start()
    assert deaf.pid is None


def test_a_server_that_ends_says_its_last_words(tmp_path: Path) -> None:
    broken = server(["/bin/sh", "-c", "echo no disk; exit 3"], tmp_path / "log", start_s=10)

    with pytest.raises(LocalServiceError, match=r"(?s)Thing ended while starting.*no disk"):
        broken.start()


def test_a_server_that_ignores_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"trap '' TERM; touch {ready}; while :; do sleep 1; done"
    stubborn = server(["/bin/sh", "-c", script], tmp_path / "log", start_s=10)
    stubborn.answers = ready.exists
    stubborn.stop_s = 0.2
    stubborn.start()

    stubborn.stop()

    assert stubborn.pid is None


def test_long_waits_are_told() -> None:
    said: list[str] = []
    answers = iter([False, False, True])

    waited = wait_until(lambda: next(answers), "Thing", 10, said.append, remind_s=0.01)

    assert waited < 10
    assert said[0] == "still waiting for Thing (0 s)"


def test_free_ports_lie_below_those_of_outgoing_connections() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    assert all(1024 < free_port() < lowest for _ in range(50))
