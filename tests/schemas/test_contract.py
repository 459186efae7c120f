"""The committed contract: documents, schemas and examples say what the code does."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest
from aiokafka import ConsumerRecord

from schemas import asyncapi, topics
from schemas.asyncapi import (
    ALARM_HEADERS,
    CARRIES,
    CUT_HEADERS,
    DEAD_LETTER_HEADERS,
    MODELS,
    NOTICE_HEADERS,
    STRUCTS,
)
from stream_app.dead_letters import LARGEST_LETTER, letter, lost_notice
from stream_app.engine.chunk import Chunk
from tests.schemas import examples

DOCUMENT = json.loads((asyncapi.HERE / "asyncapi.json").read_text())


def test_generated_files_are_what_the_models_say() -> None:
    assert asyncapi.stale() == []
    assert {path.stem for path in (asyncapi.HERE / "json").iterdir()} == {
        model.__name__ for model in MODELS
    }


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(part)


def test_every_reference_leads_somewhere() -> None:
    references = [node["$ref"] for node in walk(DOCUMENT) if "$ref" in node]

    assert references
    for reference in references:
        target: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
        assert target


def test_every_topic_has_a_channel_with_its_settings_and_an_operation() -> None:
    channels = {channel["title"]: channel for channel in DOCUMENT["channels"].values()}

    assert channels.keys() == {topic.name("bess") for topic in topics.TOPICS}
    for topic in topics.TOPICS:
        channel = channels[topic.name("bess")]
        kafka = channel["bindings"]["kafka"]["topicConfiguration"]
        assert channel["address"].replace("{prefix}", "bess") == topic.name("bess")
        assert kafka["cleanup.policy"] == [topic.cleanup]
        assert channel["messages"]
    assert len(DOCUMENT["operations"]) == len(topics.TOPICS)


def test_operations_name_messages_of_their_own_channel() -> None:
    for operation in DOCUMENT["operations"].values():
        channel = operation["channel"]["$ref"]
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/")


def test_every_struct_of_the_contract_is_carried_by_a_topic_or_held_by_one_that_is() -> None:
    from schemas import battery, results, results_battery, telemetry

    structs = {
        name
        for module in (results, telemetry, battery, results_battery)
        for name, each in vars(module).items()
        if isinstance(each, type) and issubclass(each, msgspec.Struct)
    }
    assert DOCUMENT["components"]["schemas"].keys() == structs == STRUCTS.keys()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_an_example_is_read_and_written_again_byte_for_byte(model: type[msgspec.Struct]) -> None:
    written = (examples.FOLDER / f"{model.__name__}.json").read_bytes()

    assert msgspec.json.encode(msgspec.json.decode(written, type=model)) == written


@pytest.mark.parametrize("name", examples.make())
def test_the_pipeline_writes_the_examples_today(name: str) -> None:
    assert examples.make()[name] == (examples.FOLDER / f"{name}.json").read_bytes()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_an_example_satisfies_its_json_schema_and_a_changed_one_does_not(
    model: type[msgspec.Struct],
) -> None:
    schema = json.loads((asyncapi.HERE / "json" / f"{model.__name__}.json").read_text())
    example = json.loads((examples.FOLDER / f"{model.__name__}.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)

    assert validator.is_valid(example)
    assert not validator.is_valid(example | {"v": 2})
    for field in schema["required"]:
        assert not validator.is_valid({k: v for k, v in example.items() if k != field})


@pytest.mark.parametrize("name", DOCUMENT["components"]["messages"])
def test_messages_show_the_committed_examples(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    shown = [json.dumps(each["payload"]) for each in message.get("examples", [])]
    path = examples.FOLDER / f"{name}.json"

    assert shown == ([json.dumps(json.loads(path.read_bytes()))] if path.exists() else [])
    assert bool(shown) == ("payload" in message)


def test_alarms_travel_with_the_documented_headers() -> None:
    alarms = [each for each in examples.outputs() if each.topic == topics.ALARMS]

    assert alarms
    for alarm in alarms:
        assert tuple(name for name, _ in alarm.headers) == ALARM_HEADERS


def test_no_other_result_has_headers() -> None:
    assert {each.topic for each in examples.outputs() if each.headers} == {topics.ALARMS}


def test_dead_letters_travel_with_the_documented_headers() -> None:
    value = b"{" * (LARGEST_LETTER + 1)
    record = ConsumerRecord("bess.telemetry.v1", 3, 42, 0, 0, b"north/1", value, None, 0, 0, ())
    chunk = Chunk(
        "bess.telemetry.v1", 3, [record], follows=42, next_offset=43, size=8, generation=1
    )

    published = letter(record, "t is empty", chunk, "bess.dead-letter.v1")

    assert tuple(name for name, _ in published.headers) == (*DEAD_LETTER_HEADERS, *CUT_HEADERS)


def test_notices_of_lost_records_travel_with_the_documented_headers() -> None:
    record = ConsumerRecord("bess.telemetry.v1", 3, 42, 0, 0, b"north/1", b"{", None, 0, 0, ())
    chunk = Chunk("bess.telemetry.v1", 3, [record], 40, 43, size=8, generation=1, lost=2)

    published = lost_notice(chunk, "bess.dead-letter.v1")

    assert tuple(name for name, _ in published.headers) == (*DEAD_LETTER_HEADERS, *NOTICE_HEADERS)


def read_as(model: type[msgspec.Struct], value: bytes) -> bool:
    """Whether the value is such a record, with all its fields and no other."""
    try:
        return msgspec.json.encode(msgspec.json.decode(value, type=model)) == value
    except msgspec.ValidationError:
        return False


def test_the_pipeline_publishes_only_what_the_document_says() -> None:
    for output in examples.outputs():
        assert any(read_as(model, output.value) for model in CARRIES[output.topic])
