"""A Kafka with TLS, client certificates and passwords, and a Redis behind TLS; all on loopback."""

import asyncio
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread

from redis import Redis

from deploy.local import kafka
from deploy.local.process import Server, free_port, running
from deploy.local.redis import redis_server

SASL_PASSWORD = "planted-sasl-Zq7"
REDIS_PASSWORD = "planted-redis-Zq7"
KEY_PASSWORD = "planted-key-Zq7"
SECRETS = (SASL_PASSWORD, REDIS_PASSWORD, KEY_PASSWORD)


@dataclass(frozen=True)
class Services:
    """Addresses, and the folder with ``ca.pem``, ``client.pem`` and ``client.key``."""

    sasl: str
    mutual: str
    redis_url: str
    folder: Path


@contextmanager
def services(folder: Path) -> Iterator[Services]:
    """Run both while the ``with`` block lasts."""
    _certificates(folder)
    plain, sasl, mutual = (free_port() for _ in range(3))
    broker = _broker(folder, plain, sasl, mutual)
    redis = redis_server(folder / "redis")
    with running(redis, broker):
        port = int(redis.address.partition(":")[2])
        with Redis(port=port) as client:
            client.config_set("requirepass", REDIS_PASSWORD)
        with _tls_in_front_of(port, folder) as safe:
            url = f"rediss://127.0.0.1:{safe}/0"
            yield Services(f"127.0.0.1:{sasl}", f"127.0.0.1:{mutual}", url, folder)


def _broker(folder: Path, plain: int, sasl: int, mutual: int) -> Server:
    controller = free_port()
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    listeners = {"PLAINTEXT": plain, "SASL_SSL": sasl, "SSL": mutual, "CONTROLLER": controller}
    settings = {
        **kafka.BROKER_SETTINGS,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items()),
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
        "SASL_SSL:SASL_SSL,SSL:SSL",
        "log.dirs": str(folder / "kafka" / "data"),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "server.both.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "listener.name.ssl.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": f"{module} required "
        f'user_worker="{SASL_PASSWORD}";',
    }
    command = partial(kafka._command, folder / "kafka", settings, print, _environment())
    answers = partial(kafka.serves_clients, plain)
    return Server("Kafka", f"127.0.0.1:{plain}", command, answers, folder / "kafka.log")


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)


def _certificates(folder: Path) -> None:
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    (folder / "key-password").write_text(KEY_PASSWORD)
    _openssl(folder, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=ca")
    _openssl(folder, "req -x509 -newkey rsa:2048 -nodes -keyout no.key -out other.pem -subj /CN=no")
    for name, lock in (("server", "-nodes"), ("client", "-passout file:key-password")):
        new = f"req -newkey rsa:2048 {lock} -keyout {name}.key -out {name}.csr -subj /CN={name}"
        _openssl(folder, new)
        sign = f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile san"
        _openssl(folder, f"{sign} -days 2 -out {name}.pem")
    both = [(folder / f"server.{kind}").read_text() for kind in ("key", "pem")]
    (folder / "server.both.pem").write_text("".join(both))


def _openssl(folder: Path, arguments: str) -> None:
    subprocess.run(
        ["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True, timeout=60
    )


@contextmanager
def _tls_in_front_of(port: int, folder: Path) -> Iterator[int]:
    """End TLS before a Redis that has none built in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    loop = asyncio.new_event_loop()
    serve = partial(_forward, port)
    server = loop.run_until_complete(
        asyncio.start_server(serve, "127.0.0.1", free_port(), ssl=context)
    )
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


async def _forward(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    behind, onward = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(_pipe(reader, onward), _pipe(behind, writer))


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
    writer.close()
