"""Running one worker process until it is told to stop."""

import gc
import time

import faust
import structlog

from stream_app.app import create_app
from stream_app.health import obstacle
from stream_app.metrics import LiveView, PipelineMetrics, serve, worker_registry
from stream_app.settings import Settings

log = structlog.get_logger(__name__)


class Worker(faust.Worker):  # type: ignore[misc]
    """Faust's worker without its own logging and banner; ours are set up already."""

    def _setup_logging(self) -> None:
        return


def run_worker(settings: Settings) -> None:
    """Run a worker, logging set up before; never returns, exits with the process's status."""
    registry = worker_registry()
    app = create_app(settings, PipelineMetrics(registry), LiveView(registry))
    # A chunk makes hundreds of thousands of short-lived objects: with the usual thresholds half of
    # the time goes into looking for cycles that are not there.
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    server = serve(
        registry,
        settings.metrics_host,
        settings.metrics_port,
        lambda: obstacle(app),
        lambda: app.progress.fault(time.monotonic()),
    )
    log.info("started", where=f"metrics at {server.url}/metrics", brokers=settings.brokers)
    try:
        Worker(app, quiet=True).execute_from_commandline()
    finally:
        server.close()
