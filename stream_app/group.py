"""The consumer group of a deployment's workers, as Kafka sees it."""

from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    CoordinatorNotAvailableError,
    GroupCoordinatorNotAvailableError,
    NotCoordinatorError,
)

NO_COORDINATOR = (
    CoordinatorNotAvailableError,
    GroupCoordinatorNotAvailableError,
    NotCoordinatorError,
)
"""What a broker says where there was no group yet."""


@dataclass(frozen=True)
class Group:
    """Consumer group of the workers, ``state`` as Kafka words it."""

    name: str
    state: str
    members: int


async def describe_group(admin: AIOKafkaAdminClient, name: str) -> Group:
    """State and members of a group; one that never was has none."""
    try:
        (response,) = await admin.describe_consumer_groups([name])
    except NO_COORDINATOR:
        return Group(name, "Dead", 0)
    (group,) = response.to_object()["groups"]
    return Group(name, group["state"], len(group["members"]))


async def committed_offsets(admin: AIOKafkaAdminClient, name: str) -> dict[TopicPartition, int]:
    """Next offsets that a group has committed."""
    try:
        found = await admin.list_consumer_group_offsets(name)
    except NO_COORDINATOR:
        return {}
    return {tp: at.offset for tp, at in found.items() if at.offset >= 0}
