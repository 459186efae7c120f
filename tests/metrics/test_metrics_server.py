"""The scrape endpoint, as Prometheus and a supervisor see it."""

from collections.abc import Callable, Iterator
from http.client import HTTPConnection

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families

from stream_app.metrics import (
    LiveView,
    MetricsServer,
    PipelineMetrics,
    PortUnavailableError,
    serve,
    worker_registry,
)
from stream_app.metrics.catalogue import CATALOGUE
from tests.fleet_station import busy, publish_station

Serve = Callable[..., MetricsServer]


@pytest.fixture
def served() -> Iterator[Serve]:
    servers: list[MetricsServer] = []

    def start(registry: CollectorRegistry, *args: Callable[[], str | None]) -> MetricsServer:
        servers.append(serve(registry, "127.0.0.1", 0, *args))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def get(server: MetricsServer, path: str, accept: str = "*/*") -> tuple[int, str]:
    connection = HTTPConnection(server.host, server.port, timeout=10)
    connection.request("GET", path, headers={"Accept": accept})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def full_worker(blocks: int, enclosures: int) -> CollectorRegistry:
    registry = worker_registry()
    publish_station(LiveView(registry), blocks, enclosures)
    busy(PipelineMetrics(registry), partitions=16)
    return registry


@pytest.mark.parametrize(("blocks", "enclosures"), [(72, 6), (108, 4)])
def test_a_worker_of_432_enclosures_stays_within_2000_series(
    served: Serve, blocks: int, enclosures: int
) -> None:
    status, text = get(served(full_worker(blocks, enclosures)), "/metrics")

    series = [s for family in text_string_to_metric_families(text) for s in family.samples]
    power = [s for s in series if s.name == "bess_enclosure_dc_power_watts"]
    assert status == 200
    assert len(power) == 432
    assert len(series) <= 2000
    assert len({(s.name, *sorted(s.labels.items())) for s in series}) == len(series)


def test_all_that_the_catalogue_declares_is_exposed_as_declared(served: Serve) -> None:
    _, text = get(served(full_worker(1, 4)), "/metrics")

    exposed = {f.name: f for f in text_string_to_metric_families(text)}
    for metric in CATALOGUE:
        family = exposed[metric.name.removesuffix("_total")]
        labels = {label for s in family.samples for label in s.labels} - {"le"}
        assert (family.type, family.documentation, labels) == (
            metric.kind,
            metric.help,
            set(metric.labels),
        )


def test_nothing_is_exposed_that_the_catalogue_does_not_declare(served: Serve) -> None:
    _, text = get(served(full_worker(1, 4)), "/metrics")

    exposed = {f.name for f in text_string_to_metric_families(text) if f.name.startswith("bess_")}
    assert exposed == {metric.name.removesuffix("_total") for metric in CATALOGUE}


def test_openmetrics_is_given_to_those_who_ask(served: Serve) -> None:
    accept = "application/openmetrics-text; version=1.0.0"
    _, text = get(served(full_worker(2, 4)), "/metrics", accept)

    families = {family.name for family in parse_openmetrics(text)}
    assert "bess_enclosure_energy_discharged_joules" in families


def test_health_is_told_without_conditions(served: Serve) -> None:
    assert get(served(CollectorRegistry()), "/healthz") == (200, "alive\n")


@pytest.mark.parametrize(
    ("obstacle", "expected"),
    [
        (None, (200, "ready\n")),
        ("recovering partition 3", (503, "recovering partition 3\n")),
    ],
)
def test_readiness_follows_the_worker(
    served: Serve, obstacle: str | None, expected: tuple[int, str]
) -> None:
    assert get(served(CollectorRegistry(), lambda: obstacle), "/readyz") == expected


def test_an_unknown_path_says_what_there_is(served: Serve) -> None:
    status, text = get(served(CollectorRegistry()), "/table")

    assert status == 404
    assert "/readyz" in text


def test_a_taken_port_is_refused_with_the_remedy(served: Serve) -> None:
    taken = served(CollectorRegistry()).port

    with pytest.raises(PortUnavailableError, match=f":{taken} .*BESS_METRICS_PORT"):
        serve(CollectorRegistry(), "127.0.0.1", taken)


def test_a_closed_server_frees_its_port() -> None:
    first = serve(CollectorRegistry(), "127.0.0.1", 0)
    first.close()

    second = serve(CollectorRegistry(), "127.0.0.1", first.port)

    assert get(second, "/healthz")[0] == 200
    second.close()
