"""Every dashboard keeps the rules of the house, with no Grafana at hand."""

import json
import re
from pathlib import Path

import promql_parser
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana import stale
from stream_app.metrics.archive import ARCHIVE
from stream_app.metrics.catalogue import CATALOGUE
from stream_app.metrics.metric import Metric
from tests.dashboards.boards import Json, boards, panels, promql, queries, variables

PROCESS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
"""What a worker exposes beside its own catalogue, and Prometheus' own ``up``."""

QUERIES = dict(queries())
BOARDS = boards()


def stored(metric: Metric) -> list[str]:
    histogram = [metric.name + suffix for suffix in ("_bucket", "_sum", "_count")]
    return histogram if metric.kind == "histogram" else [metric.name]


KNOWN = {name: metric for metric in (*CATALOGUE, *ARCHIVE) for name in stored(metric)}


def selectors(node: object) -> list[object]:
    """Every vector selector of a parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        return [node]
    if isinstance(node, promql_parser.MatrixSelector):
        return [node.vector_selector]
    names = ("expr", "lhs", "rhs", "param")
    parts = [getattr(node, name, None) for name in names] + list(getattr(node, "args", None) or [])
    return [found for part in parts if part is not None for found in selectors(part)]


def test_committed_dashboards_are_what_the_code_builds() -> None:
    assert stale() == []


@pytest.mark.parametrize("name", BOARDS)
def test_the_sdk_reads_each_file_back_without_loss(name: str) -> None:
    read = Dashboard.from_json(BOARDS[name])

    assert json.loads(json.dumps(read, cls=JSONEncoder)) == BOARDS[name]


def test_drift_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "bess-fleet.json").write_text("{}")
    (tmp_path / "left-over.json").write_text("{}")

    assert stale(tmp_path) == [
        "bess-batteries.json",
        "bess-fleet.json",
        "bess-pipeline.json",
        "left-over.json",
    ]


@pytest.mark.parametrize("where", QUERIES)
def test_each_query_parses_and_asks_for_metrics_that_exist(where: str) -> None:
    parsed = promql_parser.parse(promql(QUERIES[where]["expr"]))

    names = {selector.name for selector in selectors(parsed)}
    assert names
    assert names <= KNOWN.keys() | PROCESS


@pytest.mark.parametrize("where", QUERIES)
def test_each_selector_narrows_to_the_chosen_workers_by_labels_it_has(where: str) -> None:
    for selector in selectors(promql_parser.parse(promql(QUERIES[where]["expr"]))):
        labels = {matcher.name for matcher in selector.matchers.matchers}
        own = set(KNOWN[selector.name].labels) if selector.name in KNOWN else set()
        assert {"job", "instance"} <= labels <= {"job", "instance"} | own
        assert own & {"site"} <= labels


@pytest.mark.parametrize("where", QUERIES)
def test_counters_are_seen_through_rate_or_increase_or_as_a_total_of_energy(where: str) -> None:
    expr = QUERIES[where]["expr"]
    for name in set(re.findall(r"\w+_(?:total|bucket)\b", expr)):
        if not name.startswith("bess_enclosure_energy"):
            bare = re.sub(rf"(rate|increase)\({name}{{[^}}]*}}\[", "", expr)
            assert name not in bare
    for window in re.findall(r"rate\([^\[]*\[([^\]]*)\]", expr):
        assert window == "$__rate_interval"


@pytest.mark.parametrize("name", BOARDS)
def test_each_panel_says_what_it_shows_in_which_unit_and_when_there_is_nothing(name: str) -> None:
    for panel in panels(BOARDS[name]):
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["fieldConfig"]["defaults"]["noValue"]
        assert panel["targets"]


@pytest.mark.parametrize("name", BOARDS)
def test_ids_and_titles_are_unique_and_panels_do_not_overlap(name: str) -> None:
    board = BOARDS[name]
    ids = [panel["id"] for panel in board["panels"]]
    titles = [panel["title"] for panel in board["panels"]]
    cells = [cell for panel in board["panels"] for cell in grid_cells(panel)]

    assert len(set(ids)) == len(ids)
    assert len(set(titles)) == len(titles)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def grid_cells(panel: Json) -> list[tuple[int, int]]:
    at = panel["gridPos"]
    return [(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])]


@pytest.mark.parametrize("name", BOARDS)
def test_the_data_source_can_be_chosen_and_every_query_follows_it(name: str) -> None:
    board = BOARDS[name]
    follow = {"type": "prometheus", "uid": "${datasource}"}

    assert variables(board)["datasource"]["type"] == "datasource"
    for panel in panels(board):
        assert panel["datasource"] == follow
        assert [target["datasource"] for target in panel["targets"]] == [follow] * len(
            panel["targets"]
        )


@pytest.mark.parametrize("name", BOARDS)
def test_variables_ask_for_labels_of_metrics_that_exist_and_may_be_all(name: str) -> None:
    found = variables(BOARDS[name])
    assert found["job"]["label"] == "Job"
    assert found["instance"]["label"] == "Instance"
    for variable in found.values():
        if variable["type"] == "query":
            metric, label = re.fullmatch(
                r"label_values\((\w+)(?:{.*})?, (\w+)\)", variable["query"]["query"]
            ).groups()
            assert label in {"job", "instance", *KNOWN[metric].labels}
            assert (variable["includeAll"], variable["allValue"]) == (True, ".+")
            assert variable["refresh"] == 2


@pytest.mark.parametrize("name", BOARDS)
def test_each_variable_is_used_and_each_use_is_declared(name: str) -> None:
    board = BOARDS[name]
    exprs = [target["expr"] for panel in panels(board) for target in panel["targets"]]
    used = {v for expr in exprs for v in re.findall(r"\$(?!__)(\w+)", expr)}

    assert used | {"datasource"} == variables(board).keys()


def test_dashboards_are_provisioned_not_edited() -> None:
    uids = [board["uid"] for board in BOARDS.values()]

    assert len(set(uids)) == len(uids) >= 2
    for board in BOARDS.values():
        assert board["editable"] is False
        assert board["timezone"] == "utc"
        assert len(board["uid"]) <= 40


def test_shown_counters_and_gauges_cover_the_catalogue() -> None:
    exprs = " ".join(target["expr"] for target in QUERIES.values())
    unseen = [
        m.name for m in (*CATALOGUE, *ARCHIVE) if not any(name in exprs for name in stored(m))
    ]

    assert unseen == ["bess_pipeline_recovery_seconds_total", "bess_build_info"]
