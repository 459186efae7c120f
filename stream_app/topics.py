"""Creating and checking the topics of a deployment."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from schemas.topics import TOPICS, Topic
from schemas.topics import settings as topic_settings
from stream_app.settings import Settings, kafka_options


@dataclass(frozen=True)
class TopicState:
    """What the broker has of a topic; ``partitions`` is 0 where it does not exist."""

    topic: Topic
    name: str
    partitions: int
    wanted: int

    @property
    def fault(self) -> str | None:
        """Why the topic cannot be used, and what to do."""
        if not self.partitions:
            return f"topic {self.name} does not exist: run `bess topics create`"
        if self.topic.co_partitioned and self.partitions != self.wanted:
            return (
                f"topic {self.name} has {self.partitions} partitions, the settings say "
                f"{self.wanted}: set BESS_PARTITIONS={self.partitions}, or use another BESS_PREFIX"
            )
        return None


async def create_topics(settings: Settings) -> list[str]:
    """Create the missing topics; gives the names of those created."""
    before = await check_topics(settings)
    missing = [state for state in before if not state.partitions]
    admin = AIOKafkaAdminClient(**kafka_options(settings))
    await admin.start()
    try:
        new = [_new_topic(state.topic, settings) for state in missing]
        response = await admin.create_topics(new) if new else None
    finally:
        await admin.close()
    for name, code, *message in response.topic_errors if response else []:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(f"{name}: {message[0] if message else ''}")
    return [state.name for state in missing]


async def check_topics(settings: Settings) -> list[TopicState]:
    """What the broker has of each topic."""
    admin = AIOKafkaAdminClient(**kafka_options(settings))
    await admin.start()
    try:
        names = [topic.name(settings.prefix) for topic in TOPICS]
        known = set(await admin.list_topics())
        described = await admin.describe_topics([name for name in names if name in known])
    finally:
        await admin.close()
    counts: Mapping[str, int] = {each["topic"]: len(each["partitions"]) for each in described}
    return [
        TopicState(topic, name, counts.get(name, 0), settings.partitions)
        for topic, name in zip(TOPICS, names, strict=True)
    ]


def _new_topic(topic: Topic, settings: Settings) -> NewTopic:
    return NewTopic(
        name=topic.name(settings.prefix),
        num_partitions=settings.partitions if topic.co_partitioned else 1,
        replication_factor=settings.replication,
        topic_configs=topic_settings(topic),
    )
