"""The notebook runs as it stands, and is committed without results."""

import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path("docs/notebooks/station_walkthrough.ipynb")
PATH = Path(__file__).parents[2] / NOTEBOOK


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Everything that the notebook shows, run in a directory of its own."""
    directory = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(shutil.copy(PATH, directory), as_version=4)
    resources = {"metadata": {"path": str(directory)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    return [out for cell in notebook.cells for out in cell.get("outputs", [])]


def text_of(outputs: list[dict[str, Any]]) -> str:
    return "\n".join(out.get("text") or out["data"].get("text/plain", "") for out in outputs)


def test_it_is_committed_without_results() -> None:
    cells = json.loads(PATH.read_text())["cells"]

    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert not [cell for cell in code if cell["outputs"] or cell["execution_count"]]


def test_it_shows_the_heatmap(outputs: list[dict[str, Any]]) -> None:
    assert [out for out in outputs if "image/png" in out.get("data", {})]


def test_it_finds_the_weak_input_that_was_planted(outputs: list[dict[str, Any]]) -> None:
    text = text_of(outputs)

    assert "1  1A5BAT1".replace("  ", " ") in " ".join(text.split())
    assert "('weak input', ('BESS1 DC Input Power (kW) [Battery Inverter 1APCS5]',))" in text


def test_it_says_nothing_on_stderr(outputs: list[dict[str, Any]]) -> None:
    assert not [out for out in outputs if out.get("name") == "stderr"]


@pytest.mark.parametrize(
    "said", ["2025-04-06    25.0", "largest distance / bound    0.", "invented_kwh", "15 min"]
)
def test_it_shows_what_its_text_speaks_of(outputs: list[dict[str, Any]], said: str) -> None:
    assert said in text_of(outputs)
