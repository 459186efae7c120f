"""The registry of a worker process."""

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)


def worker_registry() -> CollectorRegistry:
    """Make a registry with the process, platform and garbage collector metrics.

    Turns off, for the process, the ``_created`` series that would double the counters.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
