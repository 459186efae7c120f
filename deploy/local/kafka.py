"""One Kafka broker (KRaft, combined mode) from Maven's jars."""

import asyncio
import base64
import os
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local.jars import kafka_jars
from deploy.local.java import bundled_java, find_java
from deploy.local.process import (
    LocalServiceError,
    Say,
    Server,
    accepts_connections,
    free_port,
    say_on_stderr,
)

_JVM = (
    "-Xms512m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    # A broker of minutes never earns back what the optimising compiler costs.
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
    f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.xml')}",
)

BROKER_SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # A broker that was killed may come back only when its old session has run out.
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    "log.cleaner.dedupe.buffer.size": "16777216",
}


def kafka_server(
    directory: Path,
    say: Say = say_on_stderr,
    environment: Mapping[str, str] = os.environ,
    *,
    port: int | None = None,
    cluster: str | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Server:
    """Describe a broker that keeps its data and log in `directory`; it isn't started yet.

    Parameters
    ----------
    port
        Port that clients are to use; by default a free one.
    cluster
        Id of the cluster that it is one broker of; by default it is one by itself.
    overrides
        Broker settings that come before those made here.
    """
    port, controller_port = port or free_port(), free_port()
    settings = {
        **BROKER_SETTINGS,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "log.dirs": str(directory / "data"),
        **(overrides or {}),
    }
    return Server(
        name="Kafka",
        address=f"127.0.0.1:{port}",
        command=partial(_command, directory, settings, say, environment, cluster),
        answers=partial(serves_clients, port),
        log=directory / "kafka.log",
        say=say,
    )


def serves_clients(port: int) -> bool:
    """Tell whether the broker on 127.0.0.1 has registered itself and can hold topics."""
    if not accepts_connections(port):
        return False
    # Callers may be inside an event loop, so the question gets a thread of its own.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _has_brokers(port)).result()


async def _has_brokers(port: int) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_ms=5_000)
    try:
        await admin.start()
        return bool((await admin.describe_cluster())["brokers"])
    except KafkaError:
        return False
    finally:
        await admin.close()


def _command(
    directory: Path,
    settings: Mapping[str, str],
    say: Say,
    environment: Mapping[str, str],
    cluster: str | None = None,
) -> Sequence[str]:
    java = find_java(environment, bundled=bundled_java())
    jars = kafka_jars(say, environment)
    jvm = [str(java), *_JVM, "-cp", f"{jars}/*"]
    config = directory / "server.properties"
    directory.mkdir(parents=True, exist_ok=True)
    config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    if not (directory / "data" / "meta.properties").exists():
        _format(jvm, config, cluster or new_cluster())
    return [*jvm, "kafka.Kafka", str(config)]


def new_cluster() -> str:
    """Return an id for a cluster."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _format(jvm: Sequence[str], config: Path, cluster: str) -> None:
    arguments = ["format", "--config", str(config), f"--cluster-id={cluster}"]
    answer = subprocess.run(  # noqa: S603 - built above
        [*jvm, "kafka.tools.StorageTool", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if answer.returncode:
        raise LocalServiceError(
            f"Kafka cannot lay out its storage in {config.parent}:\n{answer.stdout}{answer.stderr}"
        )
