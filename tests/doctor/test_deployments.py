"""Real deployments, spoilt on purpose."""

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from redis.asyncio import Redis

from schemas.topics import ALARMS, TELEMETRY, TOPICS, Topic
from stream_app.core.messages import PowerSamples
from stream_app.engine.position import Position
from stream_app.engine.view import RedisView
from tests.kafka.support import Deployment, records, station

pytestmark = pytest.mark.kafka


@pytest.fixture
async def deployment(brokers: str, redis_url: str, prefix: str, tmp_path: Path) -> Deployment:
    return await Deployment.create(brokers, redis_url, prefix, tmp_path)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


def findings(deployment: Deployment, level: str, **variables: str) -> dict[str, dict[str, Any]]:
    """Findings of a level by subject; the exit status tells whether there are faults."""
    ended = deployment.bess("doctor", "--json", **variables)
    found = json.loads(ended.stdout)
    assert ended.returncode == int(any(each["level"] == "fault" for each in found)), ended.stderr
    return {each["subject"]: each for each in found if each["level"] == level}


async def set_topic(deployment: Deployment, topic: Topic, **values: str) -> None:
    """Set a topic's settings, and wait until the broker tells them: a moment later, under load."""
    named = {name.replace("_", "."): value for name, value in values.items()}
    resource = ConfigResource(ConfigResourceType.TOPIC, deployment.name(topic), named)
    async with deployment.admin() as admin:
        await admin.alter_configs([resource])

    async def told() -> bool:
        return named.items() <= (await topic_settings(deployment, topic)).items()

    await deployment.wait_for(f"setting {named}", told)


async def topic_settings(deployment: Deployment, topic: Topic) -> dict[str, str]:
    resource = ConfigResource(ConfigResourceType.TOPIC, deployment.name(topic))
    async with deployment.admin() as admin:
        (found,) = await admin.describe_configs([resource])
    entries = found.to_object()["resources"][0]["config_entries"]
    return {each["config_names"]: each["config_value"] for each in entries}


async def test_a_new_deployment_has_no_fault(deployment: Deployment) -> None:
    assert findings(deployment, "fault") == {}
    assert {"brokers", "topics", "Redis", "clock", "view"} <= set(findings(deployment, "ok"))
    # One broker here, and no worker yet.
    assert set(findings(deployment, "warning")) == {"replication", "workers"}


async def test_the_brokers_own_topics_are_looked_at_before_and_after_they_are_made(
    deployment: Deployment,
) -> None:
    every = len(TOPICS) + 2
    told = f"{every} of {every} topics have one replica"
    assert told in findings(deployment, "warning")["replication"]["what"]
    with deployment.worker():
        await deployment.produce(records(station(4, 60), 10))
        await deployment.wait_until_done()
    warning = findings(deployment, "warning")["replication"]
    assert told in warning["what"]
    assert "transaction.state.log.replication.factor=3" in warning["remedy"]


async def test_a_working_deployment_has_no_fault_and_tells_its_workers(
    deployment: Deployment, redis: Redis
) -> None:
    with deployment.worker():
        await deployment.produce(records(station(4, 60), 10))
        await deployment.wait_until_done()
        well = findings(deployment, "ok")

        assert "1 in group" in well["workers"]["what"]
        assert well["telemetry"]["what"] == "all of it is folded"
        assert set(findings(deployment, "warning")) == {"replication"}

    # What Redis showed is in the changelog too.
    await redis.delete(*await redis.keys(f"{{{deployment.settings.app_id}:*"))
    assert findings(deployment, "fault") == {}
    found = findings(deployment, "warning")
    assert "shows nothing" in found["view"]["what"]
    assert set(found) == {"replication", "workers", "view"}


async def test_a_deleted_topic_is_a_fault(deployment: Deployment) -> None:
    async with deployment.admin() as admin:
        await admin.delete_topics([deployment.name(ALARMS)])

    async def told() -> bool:
        return "topics" in findings(deployment, "fault")

    # A broker answers before all of it knows of the deletion.
    await deployment.wait_for("a fault of the topics", told)
    fault = findings(deployment, "fault")["topics"]

    assert "does not exist" in fault["what"]
    assert "bess topics create" in fault["remedy"]
    assert deployment.bess("topics", "create").returncode == 0
    assert "topics" not in findings(deployment, "fault")


async def test_a_retention_is_told_and_repaired_and_other_settings_stay(
    deployment: Deployment,
) -> None:
    others = {"cleanup_policy": "delete", "max_message_bytes": "17825792"}
    await set_topic(deployment, TELEMETRY, retention_ms="600000", segment_ms="700000", **others)

    assert "retention.ms is 600000" in findings(deployment, "warning")["topics"]["what"]
    checked = deployment.bess("topics", "check")
    repaired = deployment.bess("topics", "check", "--repair")

    assert checked.returncode == 1
    assert "retention.ms is 600000, should be -1" in checked.stderr
    assert repaired.returncode == 0
    assert "retention.ms set from 600000 to -1" in repaired.stdout
    assert "topics" not in findings(deployment, "warning")
    values = await topic_settings(deployment, TELEMETRY)
    assert (values["segment.ms"], values["retention.ms"]) == ("700000", "-1")


async def test_a_redis_that_evicts_is_a_fault(deployment: Deployment, redis: Redis) -> None:
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        fault = findings(deployment, "fault")["memory"]
    finally:
        await redis.config_set("maxmemory-policy", "noeviction")

    assert "allkeys-lru" in fault["what"]
    assert "memory" in findings(deployment, "ok")


async def test_states_ahead_of_the_telemetry_are_a_fault(
    deployment: Deployment, redis: Redis
) -> None:
    view = RedisView(redis, deployment.settings.app_id)
    await view.swap(
        1, None, Position(0, {deployment.name(TELEMETRY): 70}), {b"energy|a/b": b"x"}, 1
    )

    fault = findings(deployment, "fault")["telemetry"]

    assert "partition 1: folded to 70, but it ends at 0" in fault["what"]
    assert "bess state realign --partition 1" in fault["remedy"]


async def test_a_view_ahead_of_its_changelog_is_a_fault(
    deployment: Deployment, redis: Redis
) -> None:
    view = RedisView(redis, deployment.settings.app_id)
    await view.swap(1, None, Position(9, {}), {b"energy|a/b": b"x"}, 1)

    fault = findings(deployment, "fault")["view"]

    assert "shows changelog offset 9, but the changelog ends at 0" in fault["what"]


async def test_a_state_that_somebody_deleted_is_told(deployment: Deployment, redis: Redis) -> None:
    with deployment.worker():
        await deployment.produce(records(station(4, 60), 10))
        await deployment.wait_until_done()
    view = RedisView(redis, deployment.settings.app_id)
    held = [n for n in range(4) if await redis.hlen(view.states_key(n))]
    await redis.delete(view.states_key(held[0]))

    warning = findings(deployment, "warning")["view"]

    assert f"partition {held[0]} has 0 states in Redis" in warning["what"]


async def test_a_key_of_another_type_is_told(deployment: Deployment, redis: Redis) -> None:
    view = RedisView(redis, deployment.settings.app_id)
    await redis.set(view.position_key(1), "haha")

    assert view.position_key(1) in findings(deployment, "warning")["view"]["what"]
    assert findings(deployment, "fault") == {}


async def test_a_block_that_two_partitioners_have_sent_is_a_fault(deployment: Deployment) -> None:
    (key, *_), sent = station(1, 60), records(station(1, 60), 10)
    with deployment.worker():
        await deployment.produce(sent)
        await deployment.wait_until_done()
        assert "keys" not in findings(deployment, "fault")
        for number in range(4):
            await deployment.produce(sent, partition=number)
        await deployment.wait_until_done()

    fault = findings(deployment, "fault")["keys"]

    assert f"in more than one partition: {key} (partitions 0 and 1 and 2 and 3)" in fault["what"]
    assert "keys" not in findings(deployment, "warning")


async def test_a_block_whose_clock_was_carried_a_year_ahead_is_told(
    deployment: Deployment,
) -> None:
    ahead = int(time.time() * 1000) + 365 * 86_400_000
    times = np.array([ahead, ahead + 60_000])
    (key, messages), *_ = station(1, 60).items()
    wrong = PowerSamples(times, {"1": np.full(2, 5e3), "2": np.full(2, 5e3)})
    with deployment.worker():
        await deployment.produce(records({key: [*messages[:2], wrong]}, 60))
        await deployment.wait_until_done()

    warning = findings(deployment, "warning")["event clocks"]

    assert warning["what"].startswith(f"clock of {key} (DC input ")
    assert warning["what"].endswith("ahead of the wall clock by 365.0 d")
    assert warning["remedy"].endswith("docs/runbooks/BessClockAhead.md")


async def test_a_misspelt_variable_is_told(deployment: Deployment) -> None:
    warning = findings(deployment, "warning", BESS_REPLICAS="3")["settings"]

    assert "BESS_REPLICAS is no setting" in warning["what"]


def test_without_services_both_are_faults() -> None:
    nowhere = {"BESS_BROKERS": "127.0.0.1:1", "BESS_REDIS_URL": "redis://127.0.0.1:1/0"}
    ended = subprocess.run(
        [sys.executable, "-m", "stream_app", "doctor"],
        env=nowhere,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert "Redis could not be asked" in ended.stdout
    assert "no Kafka broker answers at 127.0.0.1:1" in ended.stdout
    assert ended.stdout.count("BESS_BROKERS") == 1
    assert "Traceback" not in ended.stderr
