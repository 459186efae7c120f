"""TLS, client certificates and passwords on real services; no secret in anything that is said."""

import asyncio
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from stream_app.settings import Settings
from stream_app.topics import create_topics
from tests.kafka.results import expected, streamed
from tests.kafka.support import Deployment, records, station
from tests.security.services import (
    KEY_PASSWORD,
    REDIS_PASSWORD,
    SASL_PASSWORD,
    SECRETS,
    Services,
    services,
)

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with services(tmp_path_factory.mktemp("services")) as running:
        yield running


@pytest.fixture
def variables(safe: Services, prefix: str, tmp_path: Path) -> dict[str, str]:
    """A deployment with name and password, the password of Redis in a file."""
    secret = tmp_path / "redis-password"
    secret.write_text(f"{REDIS_PASSWORD}\n")
    return {
        "BESS_PREFIX": prefix,
        "BESS_BROKERS": safe.sasl,
        "BESS_SECURITY_PROTOCOL": "SASL_SSL",
        "BESS_SASL_USERNAME": "worker",
        "BESS_SASL_PASSWORD": SASL_PASSWORD,
        "BESS_SSL_CAFILE": str(safe.folder / "ca.pem"),
        "BESS_REDIS_URL": safe.redis_url,
        "BESS_REDIS_PASSWORD_FILE": str(secret),
        "BESS_REDIS_CAFILE": str(safe.folder / "ca.pem"),
    }


def bess(
    variables: dict[str, str], *command: str, **changed: str | None
) -> "subprocess.CompletedProcess[str]":
    """Run a command; whatever it says must hold no secret."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("BESS_")}
    merged = {**inherited, **variables, **changed}
    ended = subprocess.run(
        [sys.executable, "-m", "stream_app", *command],
        env={name: value for name, value in merged.items() if value is not None},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert_no_secret(ended.stdout + ended.stderr)
    assert "Traceback" not in ended.stderr
    return ended


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def assert_no_secret(text: str) -> None:
    assert not [secret for secret in SECRETS if secret in text], text


async def test_a_worker_speaks_tls_with_name_and_password_and_tells_no_secret(
    safe: Services, prefix: str, tmp_path: Path
) -> None:
    settings = Settings(
        brokers=safe.sasl,
        prefix=prefix,
        partitions=4,
        security_protocol="SASL_SSL",
        sasl_username="worker",
        sasl_password=SecretStr(SASL_PASSWORD),
        ssl_cafile=safe.folder / "ca.pem",
        redis_url=SecretStr(safe.redis_url),
        redis_password=SecretStr(REDIS_PASSWORD),
        redis_cafile=safe.folder / "ca.pem",
        log_level="debug",
    )
    await create_topics(settings)
    deployment = Deployment(settings, tmp_path)
    messages = station(blocks=2, minutes=60)

    await deployment.produce(records(messages, 5))
    with deployment.worker():
        await deployment.wait_until_done()
        log = (tmp_path / "worker-0.log").read_text()
        (url,) = re.findall(r"(http://[^\s\"]+/metrics)", log)
        metrics = await asyncio.to_thread(get, url)

    assert await streamed(deployment) == expected(messages)
    assert_no_secret((tmp_path / "worker-0.log").read_text() + metrics)
    assert_no_secret(repr(settings))


def test_commands_speak_tls_with_name_and_password(variables: dict[str, str]) -> None:
    assert bess(variables, "topics", "create").returncode == 0
    assert bess(variables, "topics", "check").returncode == 0
    assert bess(variables, "settings").returncode == 0
    assert bess(variables, "state", "scrub").returncode == 0
    doctor = bess(variables, "doctor")
    assert doctor.returncode == 0
    assert "every BESS_ variable and every name in bess.toml is a setting" in doctor.stdout
    assert "no state" in bess(variables, "state", "show", "north/1").stderr


def test_a_client_certificate_with_a_locked_key_opens_the_door(
    variables: dict[str, str], safe: Services
) -> None:
    mutual = variables | {
        "BESS_BROKERS": safe.mutual,
        "BESS_SECURITY_PROTOCOL": "SSL",
        "BESS_SSL_CERTFILE": str(safe.folder / "client.pem"),
        "BESS_SSL_KEYFILE": str(safe.folder / "client.key"),
        "BESS_SSL_KEY_PASSWORD_FILE": str(safe.folder / "key-password"),
    }
    nobody: dict[str, str | None] = {"BESS_SASL_USERNAME": None, "BESS_SASL_PASSWORD": None}

    assert bess(mutual, "topics", "create", **nobody).returncode == 0
    without: dict[str, str | None] = {"BESS_SSL_CERTFILE": None, "BESS_SSL_KEYFILE": None}
    refused = bess(mutual, "topics", "check", **nobody, **without)
    assert refused.returncode == 2
    assert "TLS or name and password do not fit" in refused.stderr
    locked: dict[str, str | None] = {"BESS_SSL_KEY_PASSWORD_FILE": None}
    wrong = bess(mutual, "topics", "check", **nobody, **locked)
    assert wrong.returncode == 2
    assert "BESS_SSL_KEY_PASSWORD" in wrong.stderr


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"BESS_SASL_PASSWORD": KEY_PASSWORD}, "name and password do not fit"),
        ({"BESS_SSL_CAFILE": "other.pem"}, "TLS or name and password do not fit"),
        ({"BESS_SSL_CAFILE": None}, "TLS or name and password do not fit"),
        ({"BESS_REDIS_PASSWORD": SASL_PASSWORD}, "Redis refuses the password"),
        ({"BESS_REDIS_URL": "password inside"}, "Redis refuses the password"),
        ({"BESS_REDIS_PASSWORD_FILE": None}, "Redis refuses the password"),
        ({"BESS_REDIS_CAFILE": "other.pem"}, "Redis does not answer"),
        ({"BESS_REDIS_URL": "other name"}, "Redis does not answer"),
        ({"BESS_REDIS_URL": "rediss://127.0.0.1:1/0"}, "Redis does not answer"),
        ({"BESS_BROKERS": "127.0.0.1:1"}, "Kafka does not answer"),
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["json", "console"])
def test_what_does_not_fit_is_told_without_the_secret(
    variables: dict[str, str],
    safe: Services,
    changed: dict[str, str | None],
    told: str,
    form: str,
) -> None:
    if "BESS_REDIS_PASSWORD" in changed:
        variables.pop("BESS_REDIS_PASSWORD_FILE")
    if changed.get("BESS_REDIS_URL") == "password inside":
        address = safe.redis_url.removeprefix("rediss://")
        changed = {"BESS_REDIS_URL": f"rediss://:{KEY_PASSWORD}@{address}"}
    if changed.get("BESS_REDIS_URL") == "other name":
        changed = {"BESS_REDIS_URL": safe.redis_url.replace("127.0.0.1", "localhost")}
    given = {
        name: str(safe.folder / value) if value == "other.pem" else value
        for name, value in changed.items()
    }

    ended = bess(variables, "worker", "--patience", "0", **given, BESS_LOG_FORMAT=form)

    assert ended.returncode == 2
    assert told in ended.stderr
