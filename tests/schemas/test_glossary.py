"""The glossary names everything that has a name."""

from itertools import pairwise

import msgspec
import pytest
from pydantic import BaseModel

from replay.config import Config
from schemas import battery, glossary, results, results_battery, telemetry
from schemas.asyncapi import ALARM_HEADERS, CUT_HEADERS, DEAD_LETTER_HEADERS, NOTICE_HEADERS
from stream_app.archive.kinds import KINDS, Kind
from stream_app.codec.results import PRIORITIES
from stream_app.core.findings import RULES
from stream_app.metrics.archive import ARCHIVE
from stream_app.metrics.catalogue import CATALOGUE
from stream_app.settings import Settings

STRUCTS = {
    name: each
    for module in (results, telemetry, battery, results_battery)
    for name, each in vars(module).items()
    if isinstance(each, type) and issubclass(each, msgspec.Struct)
}
FIELDS = [(name, field) for name, each in STRUCTS.items() for field in each.__struct_fields__]


def keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Keys of a configuration file that hold a value, with their sections."""
    found = []
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            found += keys(section, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def names(section: str) -> list[str]:
    return [term.name for term in glossary.terms() if term.section == section]


@pytest.mark.parametrize(("record", "field"), FIELDS)
def test_every_field_of_every_record_has_a_meaning_and_a_unit(record: str, field: str) -> None:
    term = glossary.field(record, field)

    assert term.meaning
    assert term.unit or field in {"input", "enclosure", "site", "block"}


def test_the_unit_in_a_field_name_is_the_unit_of_the_glossary() -> None:
    suffixes = {"_c_per_s": "degC/s", "_w_ms": "W ms", "_kwh": "kWh", "_wh": "Wh", "_mv": "mV"}
    suffixes |= {"_ah": "Ah", "_s": "s", "_w": "W", "_v": "V", "_c": "degC", "_a": "A"}
    for record, field in FIELDS:
        for suffix, unit in suffixes.items():
            if field.endswith(suffix):
                assert glossary.field(record, field).unit.startswith(unit)
                break


def test_every_alarm_rule_and_priority_is_explained_as_it_is_judged() -> None:
    found = {term.name: term for term in glossary.terms() if term.section == "Alarm rules"}

    assert found.keys() == {*RULES, "critical", "high", "medium", "low"}
    for rule in RULES:
        assert found[rule].meaning.endswith(f"priority {PRIORITIES[rule]}")


def test_every_metric_and_label_is_there_with_its_unit() -> None:
    found = glossary.fields()
    for metric in (*CATALOGUE, *ARCHIVE):
        assert found[metric.name].meaning == metric.help.removesuffix(".")
        assert found[metric.name].unit.split(",")[0] == metric.unit
        assert set(metric.labels) <= found.keys()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_column_of_the_archive_is_there(kind: Kind) -> None:
    known = {name.rpartition(".")[2] for name in glossary.fields()}

    assert {*kind.schema.names, *kind.folders} <= known


def test_every_setting_of_a_deployment_is_there_and_no_other() -> None:
    assert names("Settings of a deployment") == list(Settings.model_fields)


def test_every_key_of_the_configuration_file_is_there_and_no_other() -> None:
    assert names("Configuration file of an export") == keys(Config)


def test_every_header_is_there_and_no_other() -> None:
    assert names("Headers of Kafka records") == [
        *ALARM_HEADERS,
        *DEAD_LETTER_HEADERS,
        *CUT_HEADERS,
        *NOTICE_HEADERS,
    ]


def test_no_field_is_explained_that_no_record_has() -> None:
    known = {field for _, field in FIELDS} | {f"{record}.{field}" for record, field in FIELDS}
    sections = "Fields of records", "Rules of a block", "Fields of battery records"
    explained = [name for section in sections for name in names(section)]

    assert set(explained) - known == {"kind"}


def test_no_name_is_explained_twice_in_a_section() -> None:
    lines = sorted((term.section, term.name) for term in glossary.terms())

    assert all(one != next_one for one, next_one in pairwise(lines))
