"""The contract spells the core's lists out, for it may not import them: both must say the same."""

from typing import get_args

import pytest

from schemas import results, results_battery
from stream_app.codec.results_battery import PRIORITIES
from stream_app.core import findings
from stream_app.core.cells.findings import CellRule
from stream_app.core.health.flags import FlagRule
from stream_app.core.health.soc import SocRule


@pytest.mark.parametrize(
    ("contract", "core"),
    [
        (
            results_battery.BatteryRule,
            (*get_args(CellRule), *get_args(SocRule), *get_args(FlagRule)),
        ),
        (results.RuleName, get_args(findings.Rule)),
    ],
)
def test_the_rules_of_the_contract_are_those_of_the_core(
    contract: object, core: tuple[str, ...]
) -> None:
    assert sorted(get_args(contract)) == sorted(core)


def test_each_rule_of_a_battery_has_a_priority() -> None:
    assert tuple(PRIORITIES) == get_args(results_battery.BatteryRule)
