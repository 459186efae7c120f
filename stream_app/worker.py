"""Running one worker process until it is told to stop."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import faust
import structlog

from stream_app import memory
from stream_app.app import App, create_app
from stream_app.engine.publisher import pack_lightly
from stream_app.health import obstacle
from stream_app.metrics import LiveView, PipelineMetrics, serve, worker_registry
from stream_app.services import Silent
from stream_app.settings import Settings

log = structlog.get_logger(__name__)


class Worker(faust.Worker):  # type: ignore[misc]
    """Faust's worker without its own logging and banner; ours are set up already."""

    def __init__(self, app: App) -> None:
        super().__init__(app, quiet=True)
        # It writes control characters before the next line of the log.
        self.spinner = None

    def _setup_logging(self) -> None:
        return

    def _schedule_shutdown(self, signal: signal.Signals) -> None:
        log.info("told to stop, finishing what is in work", signal=signal.name)
        super()._schedule_shutdown(signal)

    async def _sentinel_task(self) -> None:
        """Nothing: mode waits a second here, with every task ended and every client closed."""


class Front:
    """What a worker shows of itself: of its start at first, of its app as soon as that runs."""

    def __init__(self) -> None:
        self.registry = worker_registry()
        self.metrics = PipelineMetrics(self.registry)
        self.live = LiveView(self.registry)
        self.app: App | None = None
        self._waits_for: Silent = {}

    def waits_for(self, silent: Silent) -> None:
        """The services that the worker cannot start without do not answer; none: they do."""
        self._waits_for = silent
        self.metrics.kafka_up("Kafka" not in silent)
        self.metrics.redis_up("Redis" not in silent)

    def obstacle(self) -> str | None:
        """What stands in ``/readyz``; None when the worker is ready."""
        if self.app is not None:
            return obstacle(self.app)
        waits = [f"the worker waits: {why}" for why in self._waits_for.values()]
        return "\n".join(waits) or "the worker is starting"

    def fault(self) -> str | None:
        """What stands in ``/healthz``; a worker that waits is well, for no restart would help."""
        return self.app.progress.fault(time.monotonic()) if self.app is not None else None


@contextmanager
def front(settings: Settings) -> Iterator[Front]:
    """Listen for ``/metrics``, ``/healthz`` and ``/readyz``, and leave at once when told to.

    Faust takes SIGTERM over when there are chunks to finish.

    Raises
    ------
    PortUnavailableError
        The address cannot be listened on.
    """
    shown = Front()
    host, port = settings.metrics_host, settings.metrics_port
    server = serve(shown.registry, host, port, shown.obstacle, shown.fault)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    log.info("started", where=f"metrics at {server.url}/metrics", brokers=settings.brokers)
    try:
        yield shown
    finally:
        server.close()


def run_worker(settings: Settings, shown: Front) -> None:
    """Run a worker, logging set up before; never returns, exits with the process's status."""
    shown.app = create_app(settings, shown.metrics, shown.live)
    memory.tune()
    pack_lightly()
    try:
        Worker(shown.app).execute_from_commandline()
    except SystemExit as end:
        if not end.code:
            log.info("stopped: all that was in work is committed")
        raise
