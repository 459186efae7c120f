"""What a worker tells Prometheus: live values of its enclosures, health of its pipeline."""

from stream_app.metrics.live import LiveView
from stream_app.metrics.pipeline import PipelineMetrics
from stream_app.metrics.registry import worker_registry
from stream_app.metrics.server import MetricsServer, PortUnavailableError, serve

__all__ = [
    "LiveView",
    "MetricsServer",
    "PipelineMetrics",
    "PortUnavailableError",
    "serve",
    "worker_registry",
]
