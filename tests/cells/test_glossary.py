"""Names of what is found and said of cells are in the glossary and the document."""

from pathlib import Path
from typing import get_args

import pytest

from stream_app.core.cells.evaluability import Reason
from stream_app.core.cells.findings import RULES
from stream_app.core.cells.limits import REGIMES
from stream_app.core.rows import RowReason

ROOT = Path(__file__).parents[2]
NAMES = (*RULES, *REGIMES, *get_args(Reason), *get_args(RowReason))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_in_the_glossary(name: str) -> None:
    assert f"| `{name}` |" in (ROOT / "schemas/nomenclature.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_explained(rule: str) -> None:
    assert f"| `{rule}` |" in (ROOT / "docs/cells.md").read_text(encoding="utf-8")
