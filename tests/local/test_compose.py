"""The compose file names only what exists: paths, settings, ports, commands, images."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer
import yaml

from deploy.grafana.pipeline import ARCHIVE_JOB
from deploy.local.containers import REDIS_IMAGE, as_variables, kafka_image
from deploy.local.kafka import BROKER_SETTINGS
from deploy.local.redis import REDIS_SETTINGS, as_options

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
ONE_SHOT = {"topics", "sample", "replay"}
KAFKA: dict[str, str] = SERVICES["kafka"]["environment"]

each_service = pytest.mark.parametrize("name", SERVICES)
each_of_ours = pytest.mark.parametrize("name", OURS)


def mounts(name: str) -> list[list[str]]:
    return [mount.split(":") for mount in SERVICES[name].get("volumes", [])]


def published(name: str) -> list[list[str]]:
    return [port.split(":") for port in SERVICES[name].get("ports", [])]


@each_service
def test_every_mounted_path_exists(name: str) -> None:
    sources = [mount[0] for mount in mounts(name)]

    assert [s for s in sources if s.startswith(".") and not (ROOT / s).exists()] == []
    assert {s for s in sources if not s.startswith(".")} <= set(COMPOSE["volumes"])


@each_of_ours
def test_our_image_is_built_from_files_that_exist(name: str) -> None:
    build = OURS[name]["build"]

    assert (ROOT / build["context"] / build["dockerfile"]).is_file()


def test_what_the_image_copies_is_not_ignored() -> None:
    kept = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }

    assert {"requirements.lock", "pyproject.toml", "README.md", "LICENSE"} <= kept
    assert [name for name in kept if not (ROOT / name).exists()] == []


@each_of_ours
def test_every_setting_exists(name: str) -> None:
    from stream_app.settings import Settings

    fields = {f"BESS_{field.upper()}" for field in Settings.model_fields}

    assert set(OURS[name]["environment"]) <= fields


@each_of_ours
def test_every_setting_is_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from stream_app.settings import Settings

    for variable, value in OURS[name]["environment"].items():
        monkeypatch.setenv(variable, value)

    assert Settings().brokers == "kafka:19092"


@each_of_ours
def test_every_command_and_option_exists(name: str) -> None:
    from stream_app.cli import build

    command = typer.main.get_command(build())
    words = list(OURS[name]["command"])
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
    options = {option for parameter in command.params for option in parameter.opts}

    assert not hasattr(command, "commands"), f"{words} is not a command"
    assert {word for word in words if word.startswith("--")} <= options


@each_service
def test_ports_are_published_on_loopback_only(name: str) -> None:
    assert {port[0] for port in published(name)} <= {"127.0.0.1"}


def test_metrics_are_scraped_where_workers_serve_them() -> None:
    from stream_app.settings import Settings

    prometheus = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    target = prometheus["scrape_configs"][0]["dns_sd_configs"][0]
    worker = SERVICES["worker"]["environment"]
    port = Settings.model_fields["metrics_port"].default

    assert target["names"] == ["worker"]
    assert target["port"] == int(worker["BESS_METRICS_PORT"]) == port
    assert f"127.0.0.1:{port}/readyz" in SERVICES["worker"]["healthcheck"]["test"][-1]
    assert worker["BESS_METRICS_HOST"] == "0.0.0.0"
    assert [port[2] for port in published("worker")] == [str(port)]


def test_the_archive_is_scraped_where_it_serves() -> None:
    from stream_app.cli.archive import METRICS_PORT

    prometheus = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    job = prometheus["scrape_configs"][1]

    assert job["job_name"] == ARCHIVE_JOB
    assert job["dns_sd_configs"][0]["names"] == ["archive"]
    assert job["dns_sd_configs"][0]["port"] == METRICS_PORT
    assert f"127.0.0.1:{METRICS_PORT}/healthz" in SERVICES["archive"]["healthcheck"]["test"][-1]
    assert SERVICES["archive"]["environment"]["BESS_METRICS_HOST"] == "0.0.0.0"


def test_the_broker_is_reached_inside_and_outside_under_the_addresses_it_tells() -> None:
    told = dict(re.findall(r"(\w+)://([^,]+)", KAFKA["KAFKA_ADVERTISED_LISTENERS"]))
    listens = dict(re.findall(r"(\w+)://:(\d+)", KAFKA["KAFKA_LISTENERS"]))
    [outside] = published("kafka")

    assert told["PLAINTEXT"] == OURS["worker"]["environment"]["BESS_BROKERS"]
    assert told["HOST"] == ":".join(outside[:2])
    assert all(told[name].endswith(f":{listens[name]}") for name in told)
    assert outside[2] == listens["HOST"]
    assert f"1@kafka:{listens['CONTROLLER']}" == KAFKA["KAFKA_CONTROLLER_QUORUM_VOTERS"]


def test_the_state_is_where_redis_serves() -> None:
    url = urlsplit(OURS["worker"]["environment"]["BESS_REDIS_URL"])
    [outside] = published("redis")

    assert url.hostname in SERVICES
    assert str(url.port) == outside[2]


def test_kafka_and_redis_are_set_up_as_the_local_ones() -> None:
    assert as_variables(BROKER_SETTINGS).items() <= KAFKA.items()
    assert SERVICES["redis"]["command"] == ["redis-server", *as_options(REDIS_SETTINGS)]
    assert SERVICES["kafka"]["image"] == kafka_image()
    assert SERVICES["redis"]["image"] == REDIS_IMAGE


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - OURS.keys()))
def test_images_are_pinned_to_a_release(name: str) -> None:
    assert re.search(r":v?\d+\.\d+", SERVICES[name]["image"])


@each_service
def test_what_keeps_running_tells_its_health_and_comes_back(name: str) -> None:
    lasts = name not in ONE_SHOT

    assert ("healthcheck" in SERVICES[name]) is lasts
    assert ("restart" in SERVICES[name]) is lasts


@each_service
def test_services_wait_for_health_or_for_the_end_of_what_ends(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        awaited = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
        assert wait["condition"] == awaited
