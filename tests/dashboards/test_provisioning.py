"""What Grafana and Prometheus are given at start fits what is in the tree."""

from pathlib import Path

import pytest
import yaml

import deploy
from stream_app.core.topology import Rules

DEPLOY = Path(deploy.__file__).parent
RUNBOOKS = DEPLOY.parent / "docs" / "runbooks"
RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules" / "bess.yml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
CASES = yaml.safe_load((DEPLOY / "prometheus" / "tests" / "bess.yml").read_text())["tests"]


def provisioned(kind: str) -> dict[str, object]:
    (path,) = (DEPLOY / "grafana" / "provisioning" / kind).glob("*.yml")
    return yaml.safe_load(path.read_text())


def test_the_data_source_has_a_fixed_uid_and_is_the_default() -> None:
    (source,) = provisioned("datasources")["datasources"]

    assert (source["uid"], source["type"], source["isDefault"]) == (
        "prometheus",
        "prometheus",
        True,
    )
    assert source["jsonData"]["timeInterval"]


def test_dashboards_come_from_files_and_cannot_be_changed_in_the_browser() -> None:
    (provider,) = provisioned("dashboards")["providers"]

    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_is_complete_and_has_a_runbook_of_its_name(name: str) -> None:
    rule = ALERTS[name]
    text = (RUNBOOKS / f"{name}.md").read_text()

    assert name.startswith("Bess")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/runbooks/{name}.md"
    assert rule["for"]
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Meaning",
        "## Impact",
        "## Diagnosis",
        "## Mitigation",
    ]


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_is_tested_firing_and_silent(name: str) -> None:
    checks = [c for case in CASES for c in case["alert_rule_test"] if c["alertname"] == name]

    assert any(check["exp_alerts"] for check in checks)
    assert any(not check["exp_alerts"] for check in checks)


def test_no_runbook_is_left_over() -> None:
    assert {path.stem for path in RUNBOOKS.glob("Bess*.md")} == ALERTS.keys()


def test_the_stale_alert_waits_as_long_as_the_default_rule() -> None:
    assert f"> {Rules().stale_ms // 1000} <" in ALERTS["BessStaleEnclosures"]["expr"]


def test_a_clock_is_told_ahead_once_one_wrong_time_alone_cannot_have_carried_it() -> None:
    assert f"> {Rules().skew_ms // 1000}" in ALERTS["BessClockAhead"]["expr"]
