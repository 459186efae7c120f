"""``bess schemas`` as a person or a program meets it."""

import json

import pytest
import typer
from typer.testing import CliRunner

from schemas.asyncapi import STRUCTS, document
from schemas.topics import TOPICS
from stream_app.cli.errors import UserError
from stream_app.cli.schemas import schemas

app = typer.Typer()
app.command()(schemas)


def shown(*arguments: str) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_without_arguments_every_topic_is_listed() -> None:
    text = shown()

    assert [topic.name("bess") for topic in TOPICS if topic.name("bess") not in text] == []


@pytest.mark.parametrize("record", STRUCTS)
def test_every_field_of_a_record_is_listed_with_its_unit(record: str) -> None:
    text = shown(record)

    for field in STRUCTS[record].__struct_fields__:
        assert f"│ {field} " in text


def test_the_json_is_the_asyncapi_document() -> None:
    assert json.loads(shown("--json")) == document()


def test_an_unknown_record_is_answered_with_those_that_exist() -> None:
    result = CliRunner().invoke(app, ["DailyRecrod"])

    assert isinstance(result.exception, UserError)
    assert "DailyRecord" in str(result.exception)
