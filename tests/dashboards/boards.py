"""The committed dashboards, walked."""

import json
import re
from collections.abc import Iterator
from typing import Any

from deploy.grafana import FOLDER

WINDOWS = {"$__rate_interval": "1m", "$__range": "6h", "$__interval": "15s"}

Json = dict[str, Any]


def boards() -> dict[str, Json]:
    return {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panels(board: Json) -> list[Json]:
    """All panels that show something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, Json]]:
    """(where, target) of every query of every panel."""
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                yield f"{name}: {panel['title']} {target['refId']}", target


def variables(board: Json) -> dict[str, Json]:
    return {each["name"]: each for each in board["templating"]["list"]}


def promql(expr: str) -> str:
    """The expression as Grafana sends it with every variable at "All"."""
    for name, window in WINDOWS.items():
        expr = expr.replace(name, window)
    return re.sub(r"\$\w+", ".+", expr)
