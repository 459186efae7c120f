"""A Kafka and a Redis of the rig's own, and a proxy before each of them."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local import Endpoints, Say, Server
from deploy.local.kafka import kafka_server
from deploy.local.process import free_port, running, say_on_stderr
from deploy.local.redis import redis_server
from tests.faults.proxy import Proxy


@dataclass
class RigStack:
    """Servers that can be killed, and proxies that can be spoiled.

    Workers come through the proxies; the rig itself, which judges, goes to the servers directly. As
    Kafka's clients go on to the address that a broker advertises, it has a listener for each.
    """

    directory: Path
    say: Say = say_on_stderr
    restarts: int = 0
    """How often Kafka had to be started once more because it was out of step with itself."""
    _log_read: int = 0

    def __enter__(self) -> Self:
        port, behind, control = free_port(), free_port(), free_port()
        self.kafka_proxy = Proxy(behind, framed=True)
        listeners = {
            "PLAINTEXT": f"127.0.0.1:{port}",
            "PROXIED": f"127.0.0.1:{behind}",
            "CONTROLLER": f"127.0.0.1:{control}",
        }
        advertised = {**listeners, "PROXIED": f"127.0.0.1:{self.kafka_proxy.port}"}
        del advertised["CONTROLLER"]
        overrides = {
            "listeners": _spelled(listeners),
            "advertised.listeners": _spelled(advertised),
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listeners),
            "controller.quorum.voters": f"1@127.0.0.1:{control}",
            "group.min.session.timeout.ms": "1000",
            "transaction.max.timeout.ms": "900000",
        }
        self.kafka: Server = kafka_server(
            self.directory / "kafka", self.say, port=port, overrides=overrides
        )
        self.redis: Server = redis_server(self.directory / "redis", self.say)
        self.redis_proxy = Proxy(int(self.redis.address.rpartition(":")[2]), framed=False)
        with ExitStack() as cleanup:
            for proxy in (self.kafka_proxy, self.redis_proxy):
                cleanup.enter_context(proxy)
            cleanup.enter_context(running(self.redis, self.kafka))
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    @property
    def direct(self) -> Endpoints:
        """Addresses of the servers themselves."""
        return Endpoints.of(self.kafka.address, self.redis.address)

    @property
    def proxied(self) -> Endpoints:
        """Addresses for the workers."""
        return Endpoints.of(
            f"127.0.0.1:{self.kafka_proxy.port}", f"127.0.0.1:{self.redis_proxy.port}"
        )

    def restore(self) -> None:
        """Both servers run and answer, and the proxies let everything through."""
        if self._out_of_step():
            self.say("the group coordinator of Kafka is out of step with its log: once more")
            self.kafka.kill()
            self.restarts += 1
        for server in (self.redis, self.kafka):
            server.resume()
            server.start()
        for proxy in (self.kafka_proxy, self.redis_proxy):
            proxy.heal()

    def _out_of_step(self) -> bool:
        """Whether Kafka's log has told so since it was last read.

        After a hard kill, its coordinator may load a part of its own topic and refuse all members
        from then on: seen with 4.1.2 where that topic has more than 16,384 records.
        """
        with (self.directory / "kafka" / "kafka.log").open(errors="replace") as log:
            log.seek(self._log_read)
            news = log.read()
            self._log_read = log.tell()
        return "out of sync with the underlying log" in news

    def cut_redis_file(self, count: int) -> None:
        """Take bytes off the end of a stopped Redis's file, as a loss of power would."""
        files = sorted((self.directory / "redis").rglob("*.aof"), key=lambda p: p.stat().st_mtime)
        size = files[-1].stat().st_size
        os.truncate(files[-1], max(0, size - count))

    def cut_topic(self, name: str, count: int) -> None:
        """Take bytes off the end of the fullest partition of a topic of a stopped Kafka."""
        logs = (self.directory / "kafka" / "data").glob(f"{name}-*/*.log")
        fullest = max(logs, key=lambda path: path.stat().st_size)
        os.truncate(fullest, max(0, fullest.stat().st_size - count))

    def compacted(self, name: str) -> bool:
        """Whether Kafka's cleaner has been through a partition of a topic."""
        point = self.directory / "kafka" / "data" / "cleaner-offset-checkpoint"
        return point.exists() and f"{name} " in point.read_text()


def _spelled(listeners: dict[str, str]) -> str:
    return ",".join(f"{name}://{address}" for name, address in listeners.items())
