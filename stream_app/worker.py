"""Running one worker process until it is told to stop."""

import ctypes
import gc
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import faust
import structlog

from stream_app.app import App, create_app
from stream_app.health import obstacle
from stream_app.metrics import LiveView, PipelineMetrics, serve, worker_registry
from stream_app.services import Silent
from stream_app.settings import Settings

log = structlog.get_logger(__name__)

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Numbers of glibc's settings."""


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
    # A chunk makes hundreds of thousands of short-lived objects: with the usual thresholds half of
    # the time goes into looking for cycles that are not there.
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    give_memory_back()
    try:
        Worker(shown.app).execute_from_commandline()
    except SystemExit as end:
        if not end.code:
            log.info("stopped: all that was in work is committed")
        raise


def give_memory_back() -> None:
    """Have the C library map large buffers one by one, so that each goes back when it is freed.

    Each take-over of partitions reads with large buffers. Kept in the heap, between what lives
    longer, they would make a worker grow with each rebalance. The arrays of a chunk of 2 MB are
    smaller: given back and had anew each time, they took half of the time of a fold of cells, so
    that the heap keeps 64 MB for them. No effect without glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 4 << 20)
        mallopt(M_TRIM_THRESHOLD, 64 << 20)
        mallopt(M_ARENA_MAX, 1)
