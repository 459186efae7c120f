"""Three brokers, each with a replica of everything, and a Redis."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiokafka.admin import AIOKafkaAdminClient

from deploy.local import Endpoints, Say, Server
from deploy.local.kafka import kafka_server, new_cluster
from deploy.local.process import free_port
from deploy.local.redis import redis_server

COUNT = 3
IN_SYNC = 2
START_S = 180.0
REPLICATED = {
    "min.insync.replicas": str(IN_SYNC),
    "offsets.topic.replication.factor": str(COUNT),
    "transaction.state.log.replication.factor": str(COUNT),
    "transaction.state.log.min.isr": str(IN_SYNC),
    "group.min.session.timeout.ms": "1000",
}


@dataclass
class Cluster:
    """Brokers that are controllers too; two of three must be up for anything to be committed.

    Attributes
    ----------
    brokers
        By their place; Kafka's own number is one higher.
    """

    directory: Path
    say: Say
    brokers: list[Server] = field(init=False)

    def __enter__(self) -> Self:
        ports = [(free_port(), free_port()) for _ in range(COUNT)]
        voters = ",".join(f"{n}@127.0.0.1:{port}" for n, (_, port) in enumerate(ports, 1))
        name = new_cluster()
        self.brokers = [
            self._broker(number, clients, control, name, voters)
            for number, (clients, control) in enumerate(ports, 1)
        ]
        self.redis = redis_server(self.directory / "redis", self.say)
        with ExitStack() as cleanup:
            for server in (self.redis, *self.brokers):
                cleanup.callback(server.stop)
            self.restore()
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    def _broker(self, number: int, clients: int, control: int, name: str, voters: str) -> Server:
        overrides = {
            **REPLICATED,
            "node.id": str(number),
            "listeners": f"PLAINTEXT://127.0.0.1:{clients},CONTROLLER://127.0.0.1:{control}",
            "controller.quorum.voters": voters,
        }
        server = kafka_server(
            self._folder(number), self.say, port=clients, cluster=name, overrides=overrides
        )
        server.name, server.start_s = f"Kafka {number}", START_S
        return server

    def _folder(self, number: int) -> Path:
        return self.directory / f"kafka-{number}"

    @property
    def direct(self) -> Endpoints:
        """Addresses of the servers themselves."""
        return Endpoints.of(",".join(each.address for each in self.brokers), self.redis.address)

    @property
    def proxied(self) -> Endpoints:
        """The same: nothing stands before these."""
        return self.direct

    def restore(self) -> None:
        """All of them run and answer; of brokers none answers before there are two."""
        servers = (self.redis, *self.brokers)
        with ThreadPoolExecutor(len(servers)) as threads:
            list(threads.map(Server.start, servers))

    def controller(self) -> int:
        """Place of the broker that is the active controller, as the running ones remember."""
        files = (
            self._folder(place + 1) / "data" / "__cluster_metadata-0" / "quorum-state"
            for place, broker in enumerate(self.brokers)
            if broker.pid
        )
        states = (json.loads(path.read_text()) for path in files)
        newest = max(states, key=lambda state: int(state["leaderEpoch"]))
        return int(newest["leaderId"]) - 1

    async def leader(self, topic: str) -> int:
        """Place of the broker that leads the first partition of a topic."""
        (found,) = await self._describe([topic])
        (first,) = [each for each in found["partitions"] if each["partition"] == 0]
        return int(first["leader"]) - 1

    async def whole(self, topics: Iterable[str]) -> bool:
        """Whether each broker has all of these topics."""
        described = await self._describe(list(topics))
        return all(len(each["isr"]) == COUNT for topic in described for each in topic["partitions"])

    async def _describe(self, topics: list[str]) -> list[dict[str, Any]]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.direct.brokers)
        await admin.start()
        try:
            found: list[dict[str, Any]] = await admin.describe_topics(topics)
        finally:
            await admin.close()
        return found
