"""Dashboards as JSON files."""

import json
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana import batteries, fleet, pipeline

FOLDER = Path(__file__).parent / "dashboards"


def render_all() -> dict[str, str]:
    """Build every dashboard: file name to JSON."""
    boards = {
        "bess-batteries": batteries.dashboard(),
        "bess-fleet": fleet.dashboard(),
        "bess-pipeline": pipeline.dashboard(),
    }
    return {f"{name}.json": _json(board) for name, board in boards.items()}


def stale(folder: Path = FOLDER) -> list[str]:
    """Name the files of ``folder`` that are not as they would be built."""
    built = render_all()
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(
        name for name in built.keys() | found.keys() if built.get(name) != found.get(name)
    )


def _json(board: Dashboard) -> str:
    return json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
