"""The mapping files that are shipped."""

import re
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import BaseModel

from replay import presets
from replay.config import Config, load_config
from replay.export import Export
from replay.signals.rules import Rule
from stream_app.core.cells.limits import LIMIT_NAMES
from stream_app.core.charge.rules import RULE_NAMES
from tests.replay.exports import joined, parquet

ROOT = Path(__file__).parents[2]
MAPPINGS = sorted((ROOT / "deploy" / "mappings").glob("*.yaml"))


@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda path: path.name)
def test_every_mapping_is_a_valid_config(mapping: Path) -> None:
    assert load_config(mapping).site == mapping.stem


def test_the_m5bat_mapping_reads_two_units_at_one_second(tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {
        "P_AC_batt1": [0, -4, 5],
        "P_AC_batt10": [10, 20, 30],
        "SOC_batt1": [474, 474, 474],
        "__index_level_0__": [
            datetime.fromisoformat(f"2023-04-07T00:00:0{second}") for second in range(3)
        ],
    }
    path = parquet(tmp_path / "day.parquet", columns)

    export = Export.open(load_config(ROOT / "deploy" / "mappings" / "m5bat.yaml", [path]))
    samples = joined(export)

    assert samples["m5bat/batt1"].power_w["AC"].tolist() == [0.0, -4000.0, 5000.0]
    assert samples["m5bat/batt10"].power_w["AC"].tolist() == [10_000.0, 20_000.0, 30_000.0]
    assert export.blocks[0].rules.method == "left"
    assert export.blocks[0].zone == "UTC"


def keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            found |= keys(section, f"{prefix}{name}.")
        else:
            found.add(prefix + name)
    return found


def test_the_reference_names_every_key_and_no_other() -> None:
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([a-z0-9_.]+)` \|", text, re.MULTILINE))

    beside = {"allocation.split_n"} | set(Rule.model_fields) | set(presets.names())
    assert named - {*LIMIT_NAMES, *RULE_NAMES} == keys(Config) | beside
