"""The topics in which the brokers keep offsets of groups and the outcome of transactions."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient

from stream_app.doctor.facts import InternalTopic
from stream_app.topics import configs

Config = Mapping[str, str | None]


class _Made(NamedTuple):
    """Settings of the brokers with which a topic is made."""

    replicas: str
    least_in_sync: str


_TOPICS = {
    "__consumer_offsets": _Made("offsets.topic.replication.factor", "min.insync.replicas"),
    "__transaction_state": _Made(
        "transaction.state.log.replication.factor", "transaction.state.log.min.isr"
    ),
}


async def internal_topics(admin: AIOKafkaAdminClient, broker: Config) -> list[InternalTopic]:
    """The topics as they are; those that are not made yet as a broker's settings would have them.

    Parameters
    ----------
    broker
        Settings of a broker, none where it does not tell.
    """
    # Asked for by name, a topic that is not there would be made.
    there = {each["topic"]: each for each in await admin.describe_topics()}
    entries = await configs(admin, [name for name in _TOPICS if name in there])
    return [
        _as_it_is(name, made, there[name]["partitions"], entries.get(name, []))
        if name in there
        else _as_it_would_be(name, made, broker)
        for name, made in _TOPICS.items()
    ]


def _as_it_is(
    name: str, made: _Made, partitions: list[dict[str, Any]], entries: list[dict[str, Any]]
) -> InternalTopic:
    return InternalTopic(
        name,
        made=True,
        replicas=min((len(each["replicas"]) for each in partitions), default=0),
        in_sync=min((len(each["isr"]) for each in partitions), default=0),
        setting=made.replicas,
        config={each["config_names"]: each["config_value"] for each in entries},
    )


def _as_it_would_be(name: str, made: _Made, broker: Config) -> InternalTopic:
    replicas = int(broker.get(made.replicas) or 0)
    config = {
        "min.insync.replicas": broker.get(made.least_in_sync),
        "unclean.leader.election.enable": broker.get("unclean.leader.election.enable"),
    }
    known = config if replicas else {}
    return InternalTopic(name, False, replicas, replicas, made.replicas, known)
