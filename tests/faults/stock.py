"""The negative control: the same fold in a Faust app as its documentation would write it.

``python -m tests.faults.stock``: an agent, a table with a changelog, ``topic.send``, everything
else as Faust has it. It loses and doubles when it is killed: the rig must see that.
"""

import sys
from typing import Any

import faust

from schemas import topics
from stream_app.agents import fold_chunk, results, topic_names
from stream_app.codec.telemetry import decode
from stream_app.settings import Settings


def create(settings: Settings) -> faust.App:
    """A plain app: at least once, a table in memory with its changelog in Kafka."""
    names = topic_names(settings.prefix)
    raw = {"key_serializer": "raw", "value_serializer": "raw"}
    app = faust.App(
        settings.app_id,
        broker=[f"kafka://{server}" for server in settings.brokers.split(",")],
        store="memory://",
        topic_partitions=settings.partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 5,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
    )
    table = app.Table(
        "energy",
        partitions=settings.partitions,
        key_type=bytes,
        value_type=bytes,
        changelog_topic=app.topic(names[topics.STATE], internal=True, **raw),
    )
    outputs = {name: app.topic(name, **raw) for name in names.values()}

    @app.agent(app.topic(names[topics.TELEMETRY], **raw))  # type: ignore[untyped-decorator]
    async def integrate(stream: Any) -> None:
        async for event in stream.events():
            record = (event.key, event.value)
            folded = fold_chunk(decode([record]), table, [record])
            for each in results(folded, names):
                await outputs[each.topic].send(
                    key=each.key, value=each.value, partition=event.message.tp.partition
                )

    return app


if __name__ == "__main__":
    sys.argv = ["stock", "worker", "--without-web"]
    create(Settings()).main()
