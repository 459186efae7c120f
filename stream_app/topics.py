"""Creating, checking and repairing the topics of a deployment."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaTimeoutError, TopicAlreadyExistsError, for_code

from schemas.topics import STATE, TOPICS, Topic
from schemas.topics import settings as topic_settings
from stream_app.settings import Settings, kafka_options

AT_LEAST = ("max.message.bytes", "min.compaction.lag.ms")
"""Settings of which more than is wanted does no harm."""
NAMED = 3
_STATES_GONE = (
    "run `bess topics create`; where workers ran before, the states went with it: stop them first "
    "and keep what Redis has with `bess state export FILE`, then write it to the new topic with "
    "`bess state import FILE --into-changelog`"
)
"""Topics that are named where many have the same fault."""
KNOWN_SECONDS = 30.0
"""How long the broker may take to know of topics that were just made."""
KNOWN_PAUSE_SECONDS = 0.1
OWN_SETTING = 1
"""Kafka's config source of a setting that was made for the topic itself."""


@dataclass(frozen=True)
class Difference:
    """A setting of a topic that is not as wanted; ``value`` is None where it is not known."""

    setting: str
    value: str | None
    wanted: str


@dataclass(frozen=True)
class TopicState:
    """What the broker has of a topic.

    Attributes
    ----------
    partitions
        0 where the topic does not exist.
    wanted
        Partitions that the settings say, of co-partitioned topics.
    replicas
        Fewest replicas of a partition; ``in_sync`` fewest of them that are up to date.
    config
        Settings in force, and in ``own`` those made for the topic itself.
    """

    topic: Topic
    name: str
    partitions: int
    wanted: int
    replicas: int = 1
    in_sync: int = 1
    config: Mapping[str, str | None] = field(default_factory=dict)
    own: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def fault(self) -> tuple[str, str] | None:
        """Why the topic cannot be used, and what to do."""
        if not self.partitions:
            return (
                "does not exist",
                _STATES_GONE if self.topic is STATE else "run `bess topics create`",
            )
        if self.topic.co_partitioned and self.partitions != self.wanted:
            return (
                f"has {self.partitions} partitions, the settings say {self.wanted}",
                f"set BESS_PARTITIONS={self.partitions}, or use another BESS_PREFIX",
            )
        return None

    @property
    def differences(self) -> list[Difference]:
        """Settings that are not as the contract says; none of a topic that does not exist."""
        if not self.partitions:
            return []
        wanted = topic_settings(self.topic)
        return [
            Difference(name, self.config.get(name), value)
            for name, value in wanted.items()
            if not _serves(name, self.config.get(name), value)
        ]


def faults(states: Iterable[TopicState]) -> dict[tuple[str, str], list[str]]:
    """The topics that cannot be used, by why and what to do: one cause has many of them."""
    found: dict[tuple[str, str], list[str]] = {}
    for state in states:
        if state.fault:
            found.setdefault(state.fault, []).append(state.name)
    return found


def together(names: Sequence[str]) -> str:
    """Names of topics as one subject, the first few of many."""
    if len(names) == 1:
        return f"topic {names[0]}"
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"each of {len(names)} topics ({', '.join(names[:NAMED])}{rest})"


def _serves(name: str, value: str | None, wanted: str) -> bool:
    if value is not None and name in AT_LEAST:
        return int(value) >= int(wanted)
    return value == wanted


async def create_topics(settings: Settings) -> list[str]:
    """Create the missing topics; gives the names of those created."""
    before = await check_topics(settings)
    missing = [state for state in before if not state.partitions]
    admin = AIOKafkaAdminClient(**kafka_options(settings))
    await admin.start()
    try:
        new = [_new_topic(state.topic, settings) for state in missing]
        response = await admin.create_topics(new) if new else None
        _raise_first_error(response.topic_errors if response else [], TopicAlreadyExistsError)
        await _until_known(admin, {state.name for state in missing})
    finally:
        await admin.close()
    return [state.name for state in missing]


async def _until_known(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    """Wait for the broker to know what the controller has made: a moment, more under load."""
    deadline = time.monotonic() + KNOWN_SECONDS
    while missing := names - set(await admin.list_topics()):
        if time.monotonic() > deadline:
            what = together(sorted(missing))
            raise KafkaTimeoutError(f"{what} is made, but the broker does not know it yet")
        await asyncio.sleep(KNOWN_PAUSE_SECONDS)


async def check_topics(settings: Settings) -> list[TopicState]:
    """What the broker has of each topic."""
    admin = AIOKafkaAdminClient(**kafka_options(settings))
    await admin.start()
    try:
        return await describe(admin, settings)
    finally:
        await admin.close()


async def describe(admin: AIOKafkaAdminClient, settings: Settings) -> list[TopicState]:
    """What the broker of ``admin`` has of each topic."""
    names = [topic.name(settings.prefix) for topic in TOPICS]
    existing = set(await admin.list_topics())
    known = [name for name in names if name in existing]
    described = {each["topic"]: each for each in await admin.describe_topics(known)}
    entries = await configs(admin, known)
    return [
        _state(topic, name, settings, described.get(name), entries.get(name, []))
        for topic, name in zip(TOPICS, names, strict=True)
    ]


async def configs(
    admin: AIOKafkaAdminClient, names: Iterable[str]
) -> dict[str, list[dict[str, Any]]]:
    """Settings of topics as the broker describes them; none of a topic that it hides."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    responses = await admin.describe_configs(resources) if resources else []
    return {
        each["resource_name"]: each["config_entries"]
        for response in responses
        for each in response.to_object()["resources"]
    }


async def repair(settings: Settings, states: Iterable[TopicState]) -> None:
    """Set the settings that differ; those made for a topic by others stay as they are."""
    resources = [
        ConfigResource(
            ConfigResourceType.TOPIC,
            state.name,
            # The broker resets what a request leaves out.
            {**state.own, **{each.setting: each.wanted for each in state.differences}},
        )
        for state in states
        if state.differences
    ]
    admin = AIOKafkaAdminClient(**kafka_options(settings))
    await admin.start()
    try:
        responses = await admin.alter_configs(resources) if resources else []
    finally:
        await admin.close()
    for response in responses:
        _raise_first_error([(name, code, message) for code, message, _, name in response.resources])


def _state(
    topic: Topic,
    name: str,
    settings: Settings,
    described: Mapping[str, Any] | None,
    entries: Sequence[Mapping[str, Any]],
) -> TopicState:
    partitions = described["partitions"] if described else []
    return TopicState(
        topic,
        name,
        len(partitions),
        settings.partitions,
        min((len(each["replicas"]) for each in partitions), default=0),
        min((len(each["isr"]) for each in partitions), default=0),
        {each["config_names"]: each["config_value"] for each in entries},
        {
            each["config_names"]: each["config_value"]
            for each in entries
            if each["config_source"] == OWN_SETTING
        },
    )


def _raise_first_error(results: Iterable[Sequence[Any]], *harmless: type[Exception]) -> None:
    for name, code, *message in results:
        error = for_code(code)
        if code and error not in harmless:
            raise error(f"{name}: {message[0] if message else ''}")


def _new_topic(topic: Topic, settings: Settings) -> NewTopic:
    return NewTopic(
        name=topic.name(settings.prefix),
        num_partitions=settings.partitions if topic.co_partitioned else 1,
        replication_factor=settings.replication,
        topic_configs=topic_settings(topic),
    )
