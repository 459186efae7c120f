"""The worker's Faust app, made by a function: importing this module has no effect."""

import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

import faust
import structlog
from faust.types import TP
from redis.asyncio import Redis
from redis.exceptions import RedisError

from schemas import topics
from stream_app import memory
from stream_app.agents import EnergyWork, load, topic_names
from stream_app.dead_letters import DeadLetters
from stream_app.engine.engine import Engine, EngineConfig
from stream_app.engine.partition import Partition
from stream_app.engine.publisher import Offsets
from stream_app.engine.recovery import Restored, TableManager
from stream_app.engine.table import Table
from stream_app.engine.view import RedisView
from stream_app.families import family_of
from stream_app.health import (
    KAFKA_PERIOD_S,
    PERIOD_S,
    SUSPENDED_PERIOD_S,
    Brokers,
    Progress,
    observe,
    observe_suspended,
)
from stream_app.heartbeats import Heartbeats
from stream_app.kept import KeptStates
from stream_app.keys import telemetry_key
from stream_app.metrics import LiveView, PipelineMetrics
from stream_app.namesake import Namesake, told
from stream_app.services import kafka_silence
from stream_app.settings import Settings, kafka_options, redis_options

log = structlog.get_logger(__name__)

_RAW = {"key_serializer": "raw", "value_serializer": "raw"}
REDIS_SECONDS = 10.0
WAIT_FOR_REDIS_S = 86_400.0
"""How long a worker may wait for Redis and stay in its group; it takes no records meanwhile."""


class App(faust.App):  # type: ignore[misc]
    """Faust app that carries the engine, the kept states and the metrics of its worker."""

    engine: Engine
    metrics: PipelineMetrics
    live: LiveView
    kept: KeptStates
    progress: Progress
    brokers: Brokers

    def _create_directories(self) -> None:
        """Faust would make a folder in the working directory; nothing of ours goes there."""

    async def _on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish what is in work, also while the app stops.

        Faust would leave at once: the group would give the partitions away, and their new owner
        would fence the commits under way.
        """
        if self.should_stop:
            await self.engine.release()
        await super()._on_partitions_revoked(revoked)

    def on_offsets_differ(self) -> None:
        """The group's committed offset is not where the state stands."""
        self.metrics.offsets_differ()

    def on_ready(self, seconds: float) -> None:
        """The partitions are owned, ``seconds`` after they were assigned."""
        self.metrics.recovery(seconds)
        memory.give_back()

    def on_recovered(self, owned: Partition, restored: Restored) -> None:
        """A partition was taken over: show the states that it came with."""
        rebuilt = restored.rebuilt is not None
        self.metrics.recovered(owned.number, restored.applied, rebuilt=rebuilt)
        table = {key.partition(b"|")[2]: state for key, state in owned.states.items()}
        for key in dict.fromkeys(map(telemetry_key, owned.states)):
            try:
                self.live.publish(key, load(family_of(key), table, key))
            except ValueError as fault:
                self.engine.suspend(owned.number, unreadable(key, fault))


def unreadable(key: str, fault: ValueError) -> str:
    """What to tell of a state that this program cannot read."""
    return (
        f"the state of {key} cannot be read: {fault}. Run the version that wrote it, or stop the "
        "workers and put the last backup back: bess state import FILE --into-changelog --force"
    )


def create_app(settings: Settings, metrics: PipelineMetrics, live: LiveView) -> App:
    """The app of one worker, with the energy agent on the telemetry topic."""
    names = topic_names(settings.prefix)
    app = App(settings.app_id, **faust_options(settings))
    app.metrics, app.live, app.progress = metrics, live, Progress()
    app.brokers = Brokers(lambda: kafka_silence(settings))
    app.kept = KeptStates()
    app.engine = _engine(settings, names, app)
    app.on_partitions_revoked.connect(_release_on_revoke(app))
    letters = DeadLetters(names[topics.DEAD_LETTERS])
    table = _table(app, settings.partitions, names[topics.STATE])

    @app.agent(app.topic(names[topics.TELEMETRY], **_RAW))
    async def integrate(stream: Any) -> None:
        work = EnergyWork(table, names, metrics, live, letters, app.kept)
        async for event in stream.events():
            app.engine.start(event, work.fold, work.committed)

    if settings.heartbeat_s:
        telemetry = app.topic(names[topics.TELEMETRY], **_RAW)
        app.timer(settings.heartbeat_s)(Heartbeats(app.engine, live, telemetry).__call__)

    _look_after(app)
    if settings.instance is not None:
        _look_for_namesakes(app, settings.app_id, settings.instance)
    return app


def _table(app: App, partitions: int, changelog: str) -> Table:
    table: Table = app.Table(
        "energy",
        partitions=partitions,
        key_type=bytes,
        value_type=bytes,
        changelog_topic=app.topic(changelog, internal=True, **_RAW),
    )
    return table


def _look_after(app: App) -> None:
    """Timers of the worker's own health."""

    @app.timer(PERIOD_S)
    async def watch() -> None:
        app.progress.beat(time.monotonic(), await observe(app.consumer, app.engine, app.metrics))

    @app.timer(PERIOD_S)
    async def scrub() -> None:
        app.metrics.mended(await app.engine.scrub())

    @app.timer(KAFKA_PERIOD_S)
    async def ask_kafka() -> None:
        await app.brokers.look(app.metrics)

    @app.timer(SUSPENDED_PERIOD_S)
    async def suspended() -> None:
        await observe_suspended(app.engine, app.metrics)


def _look_for_namesakes(app: App, app_id: str, name: str) -> None:
    place = f"{app_id}:instance:{name}"
    me = f"process {os.getpid()} on {socket.gethostname()}, {uuid4().hex[:8]}"
    namesake = Namesake(app.engine.view.redis, place, me)

    @app.timer(PERIOD_S)
    async def look() -> None:
        with suppress(RedisError):
            other = await namesake.look()
            app.progress.namesake = told(name, other) if other else None
        if app.progress.namesake:
            log.error("two workers have one name", what=app.progress.namesake)


def faust_options(settings: Settings) -> dict[str, Any]:
    """Faust settings of a worker; why each is as it is stands in ``docs/architecture.md``."""
    return {
        "broker": [f"chunks://{server}" for server in settings.brokers.split(",")],
        "store": "redis://",
        "Table": Table,
        "TableManager": TableManager,
        "topic_partitions": settings.partitions,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "table_standby_replicas": 0,
        "web_enabled": False,
        "consumer_auto_offset_reset": "earliest",
        "consumer_max_fetch_size": settings.fetch_bytes,
        "consumer_group_instance_id": settings.instance,
        "broker_max_poll_records": settings.chunk_records,
        "broker_session_timeout": settings.session_timeout_s,
        "broker_heartbeat_interval": settings.session_timeout_s / 5,
        "broker_request_timeout": max(90.0, settings.session_timeout_s),
        "broker_rebalance_timeout": 60.0,
        "broker_max_poll_interval": WAIT_FOR_REDIS_S,
        "stream_recovery_delay": 0.0,
        "stream_wait_empty": True,
        "worker_redirect_stdouts": False,
        **_credentials(settings),
    }


def _credentials(settings: Settings) -> dict[str, Any]:
    kafka = kafka_options(settings)
    context = kafka.get("ssl_context")
    if settings.security_protocol.startswith("SASL"):
        sasl = faust.SASLCredentials(
            username=kafka["sasl_plain_username"],
            password=kafka["sasl_plain_password"],
            mechanism=settings.sasl_mechanism,
            ssl_context=context,
        )
        return {"broker_credentials": sasl}
    if context is not None:
        return {"broker_credentials": faust.SSLCredentials(context=context)}
    return {}


def _engine(settings: Settings, names: Mapping[topics.Topic, str], app: App) -> Engine:
    async def commit_offsets(offsets: Offsets) -> None:
        await app.consumer.commit_offsets(offsets)

    config = EngineConfig(
        app_id=settings.app_id,
        changelog=names[topics.STATE],
        source=names[topics.TELEMETRY],
        client=kafka_options(settings),
        chunk_records=settings.chunk_records,
        chunk_bytes=settings.chunk_bytes,
        work_bytes=4 * settings.chunk_bytes,
        exactly_once=settings.delivery == "exactly_once",
    )
    redis = Redis.from_url(
        **redis_options(settings),
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
    )
    return Engine(config, RedisView(redis, settings.app_id), commit_offsets)


def _release_on_revoke(app: App) -> Callable[..., Awaitable[None]]:
    async def release(*_: Any, **__: Any) -> None:
        await app.tables.recovery.abandon()
        owned, suspended = list(app.engine.partitions.values()), list(app.engine.suspended)
        await app.engine.release()
        for number in suspended:
            app.metrics.unassigned(number)
        for each in owned:
            app.metrics.revoked(each.number)
            keys = {telemetry_key(state) for state in each.states}
            app.live.forget(keys)
            app.kept.forget(keys)

    return release
