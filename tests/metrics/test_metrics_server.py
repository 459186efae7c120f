"""The scrape endpoint, as Prometheus and a supervisor see it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
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
from stream_app.metrics.server import MOST_CLIENTS
from stream_app.settings import Settings
from tests.fleet_station import busy, publish_battery, publish_meter, publish_station

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


def full_worker(blocks: int, enclosures: int, *, batteries: bool = True) -> CollectorRegistry:
    registry = worker_registry()
    live = LiveView(registry)
    publish_station(live, blocks, enclosures)
    if batteries:
        publish_battery(live)
        publish_meter(live)
    busy(PipelineMetrics(registry), partitions=16)
    return registry


@pytest.mark.parametrize(("blocks", "enclosures"), [(72, 6), (108, 4)])
def test_a_worker_of_432_enclosures_stays_within_2000_series(
    served: Serve, blocks: int, enclosures: int
) -> None:
    worker = full_worker(blocks, enclosures, batteries=False)
    status, text = get(served(worker), "/metrics")

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


def test_many_slow_clients_neither_keep_others_out_nor_pile_up(
    served: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    server = served(CollectorRegistry())
    before = threading.active_count()
    with ExitStack() as slow:
        for _ in range(10 * MOST_CLIENTS):
            client = slow.enter_context(socket.create_connection((server.host, server.port)))
            client.sendall(b"GET /metr")

        assert get(server, "/healthz") == (200, "alive\n")
        assert threading.active_count() - before <= 2 * MOST_CLIENTS

    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b" 414 "),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", b" 431 "),
        (b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 200 + b"\r\n", b" 431 "),
        (b"\xff\xfe\r\n\r\n", b" 400 "),
    ],
    ids=["long line", "long header", "many headers", "no request"],
)
def test_what_is_no_decent_request_is_refused(
    served: Serve, request_text: bytes, status: bytes
) -> None:
    server = served(CollectorRegistry())

    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(request_text)
        answer = client.recv(1000)

    assert status in answer
    assert get(server, "/healthz") == (200, "alive\n")


def test_metrics_listen_on_loopback_unless_told_otherwise() -> None:
    assert Settings.model_fields["metrics_host"].default == "127.0.0.1"


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
