"""Rules and dashboards against the real Prometheus programs.

They are found on the PATH or named by BESS_PROMETHEUS and BESS_PROMTOOL.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import deploy
from stream_app.metrics import LiveView, PipelineMetrics, serve, worker_registry
from stream_app.metrics.archive import ArchiveMetrics
from tests.dashboards.boards import boards, promql, queries, variables
from tests.fleet_station import busy, publish_battery, publish_meter, publish_station

DEPLOY = Path(deploy.__file__).parent / "prometheus"
QUERIES = dict(queries())
DEADLINE_S = 60


def program(name: str) -> str:
    path = os.environ.get(f"BESS_{name.upper()}") or shutil.which(name)
    if path is None:
        pytest.skip(f"NOT TESTED: {name} is not installed; put it on the PATH")
    return path


def test_rules_are_valid() -> None:
    run(program("promtool"), "check", "rules", DEPLOY / "rules" / "bess.yml")


def test_rules_fire_and_stay_silent_as_they_should() -> None:
    run(program("promtool"), "test", "rules", DEPLOY / "tests" / "bess.yml")


def test_the_charge_of_a_site_is_weighed_by_capacity(tmp_path: Path) -> None:
    """Also in the moment after a rebalance, when two workers show a system."""
    soc, capacity = "bess_battery_soc_ratio", "bess_battery_capacity_kilowatthours"
    systems = (("w1", "a", "0.2", "300"), ("w2", "a", "0.2", "300"), ("w2", "b", "0.8", "100"))
    series = [
        {
            "series": f'{name}{{instance="{worker}", site="s", system="{system}"}}',
            "values": str(value),
        }
        for worker, system, *values in systems
        for name, value in zip((soc, capacity), values, strict=True)
    ]
    series.append({"series": f'{soc}{{instance="w1", site="s", system="unrated"}}', "values": "1"})
    (query,) = (each["expr"] for where, each in QUERIES.items() if "charge of a site" in where)
    case = {
        "expr": re.sub(r'=~"[^"]*"', '=~".*"', query),
        "eval_time": "0m",
        "exp_samples": [{"labels": '{site="s"}', "value": 0.35}],
    }
    test = tmp_path / "test.json"
    test.write_text(json.dumps({"tests": [{"input_series": series, "promql_expr_test": [case]}]}))

    run(program("promtool"), "test", "rules", test)


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class Prometheus:
    """The HTTP API of a server, as far as the tests need it."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"

    def get(self, path: str, **params: str | float) -> dict:
        query = urllib.parse.urlencode(params)
        with urllib.request.urlopen(f"{self.base}{path}?{query}", timeout=10) as answer:
            return json.loads(answer.read())["data"]

    def is_up(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.base}/-/ready", timeout=2).close()
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def scrapes(self) -> int:
        """Fewest scrapes of a metric of the worker so far."""
        found = self.get("/api/v1/query", query="count_over_time(bess_pipeline_redis_up[5m])")
        return min((int(each["value"][1]) for each in found["result"]), default=0)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert process.poll() is None, "Prometheus ended"
        assert time.monotonic() < end, "Prometheus did not get there in time"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A server that has scraped a worker with work done before and between its scrapes."""
    binary, folder = program("prometheus"), tmp_path_factory.mktemp("prometheus")
    registry = worker_registry()
    live = LiveView(registry)
    publish_station(live, blocks=3, enclosures=4)
    publish_battery(live)
    publish_meter(live)
    metrics = PipelineMetrics(registry)
    busy(metrics, partitions=2)
    archive = ArchiveMetrics(registry)
    archive.archived(records=12, files=3, size=40_000)
    with closing(serve(registry, "127.0.0.1", 0)) as worker, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        config = folder / "prometheus.yml"
        config.write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                    "rule_files": [str(DEPLOY / "rules" / "bess.yml")],
                    "scrape_configs": [
                        {
                            "job_name": "bess-worker",
                            "static_configs": [{"targets": [f"127.0.0.1:{worker.port}"]}],
                        }
                    ],
                }
            )
        )
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    binary,
                    f"--config.file={config}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=log,
                stderr=log,
            )
        server = Prometheus(port)
        try:
            wait_for(server.is_up, process)
            wait_for(lambda: server.scrapes() >= 2, process)
            busy(metrics, partitions=2)
            archive.archived(records=5, files=1, size=20_000)
            wait_for(lambda: server.scrapes() >= 5, process)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=20)


def test_the_scrape_is_healthy(prometheus: Prometheus) -> None:
    (target,) = prometheus.get("/api/v1/targets")["activeTargets"]

    assert (target["health"], target["lastError"]) == ("up", "")


@pytest.mark.parametrize("where", QUERIES)
def test_each_query_of_the_dashboards_gives_data(prometheus: Prometheus, where: str) -> None:
    target = QUERIES[where]
    now = time.time()
    expr = promql(target["expr"])
    if target["instant"]:
        answer = prometheus.get("/api/v1/query", query=expr, time=now)
    else:
        answer = prometheus.get(
            "/api/v1/query_range", query=expr, start=now - 5, end=now, step="1s"
        )

    values = [v for each in answer["result"] for _, v in each.get("values", [each.get("value")])]
    assert values, f"{where}: no data for {expr}"
    assert any(value != "NaN" for value in values), f"{where}: only NaN"


@pytest.mark.parametrize("name", boards())
def test_each_variable_of_the_dashboards_has_values(prometheus: Prometheus, name: str) -> None:
    for variable in variables(boards()[name]).values():
        if variable["type"] == "query":
            query = promql(variable["query"]["query"])
            metric, label = query.removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            path = f"/api/v1/label/{label}/values"
            assert prometheus.get(path, **{"match[]": metric}), f"{name}: {query}"


def test_the_rules_are_evaluated_and_only_the_refused_records_raise_one(
    prometheus: Prometheus,
) -> None:
    groups = prometheus.get("/api/v1/rules")["groups"]
    alerts = prometheus.get("/api/v1/alerts")["alerts"]

    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
    assert {(a["labels"]["alertname"], a["labels"].get("reason")) for a in alerts} == {
        ("BessDeadLetters", "bad_shape")
    }
