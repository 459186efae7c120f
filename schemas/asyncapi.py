"""The AsyncAPI 3.0 document and the JSON Schemas, generated from the models.

``python -m schemas.asyncapi`` writes ``asyncapi.json`` and ``json/``; ``--check`` compares.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec

from schemas import VERSION, glossary, topics
from schemas.battery import (
    AnomalyModelRecord,
    BatteryRecord,
    BatteryRulesRecord,
    CellsRecord,
    MeterPointRecord,
    MeterRecord,
    PackRecord,
    SystemRecord,
)
from schemas.results import (
    AlarmRecord,
    DailyRecord,
    FindingRecord,
    ProgressRecord,
    Quality,
    QualityColumns,
    RollupRecord,
    TooLateRecord,
)
from schemas.results_battery import (
    BatteryAlarmRecord,
    BatteryFindingRecord,
    CellWindowsRecord,
    CriticalCellRecord,
    CriticalCellsRecord,
    HealthDayRecord,
    LateRowsRecord,
    MeterDayRecord,
    SignalWindowsRecord,
)
from schemas.telemetry import (
    CorrectionBeginRecord,
    CorrectionEndRecord,
    EndOfDataRecord,
    HeartbeatRecord,
    PowerRecord,
    RulesRecord,
    TopologyRecord,
)
from schemas.topics import Topic

Json = dict[str, Any]
Model = type[msgspec.Struct]

HERE = Path(__file__).parent
KAFKA_BINDING = "0.5.0"
JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"

CARRIES: Mapping[Topic, tuple[Model, ...]] = {
    topics.TELEMETRY: (
        TopologyRecord,
        PowerRecord,
        HeartbeatRecord,
        EndOfDataRecord,
        CorrectionBeginRecord,
        CorrectionEndRecord,
        BatteryRecord,
        CellsRecord,
        SystemRecord,
        AnomalyModelRecord,
        MeterPointRecord,
        MeterRecord,
    ),
    topics.TOPOLOGY: (TopologyRecord,),
    **dict.fromkeys(topics.ROLLUPS.values(), (RollupRecord,)),
    topics.DAILY: (DailyRecord,),
    **dict.fromkeys(topics.CELLS.values(), (CellWindowsRecord,)),
    **dict.fromkeys(topics.SIGNALS.values(), (SignalWindowsRecord,)),
    topics.CRITICAL_CELLS: (CriticalCellsRecord,),
    topics.HEALTH_DAILY: (HealthDayRecord,),
    topics.METER_DAILY: (MeterDayRecord,),
    topics.FINDINGS: (FindingRecord, BatteryFindingRecord),
    topics.ALARMS: (AlarmRecord, BatteryAlarmRecord),
    topics.TOO_LATE: (TooLateRecord, LateRowsRecord),
    topics.PROGRESS: (ProgressRecord,),
}
"""The JSON records of each topic; dead letters and state carry bytes."""

MODELS: tuple[Model, ...] = tuple(dict.fromkeys(m for models in CARRIES.values() for m in models))

_HELD: tuple[Model, ...] = (
    RulesRecord,
    Quality,
    QualityColumns,
    PackRecord,
    BatteryRulesRecord,
    CriticalCellRecord,
)
STRUCTS: Mapping[str, Model] = {model.__name__: model for model in MODELS + _HELD}
"""Every record by name, also those that others hold."""

ALARM_HEADERS = (
    "ce_specversion",
    "ce_type",
    "ce_source",
    "ce_subject",
    "ce_id",
    "ce_time",
    "content-type",
)
DEAD_LETTER_HEADERS = ("bess_reason", "bess_topic", "bess_partition", "bess_offset")
CUT_HEADERS = ("bess_cut", "bess_original_bytes")
"""Of a dead letter that does not hold all that came."""
NOTICE_HEADERS = ("bess_last_offset", "bess_records")
"""Of a notice that stands for records which are no dead letters."""
SENT_BY_TOOLS = (topics.TELEMETRY, topics.TOPOLOGY, topics.PROGRESS)

_BYTES: Mapping[Topic, tuple[str, str, str]] = {
    topics.DEAD_LETTERS: (
        "DeadLetter",
        "application/octet-stream",
        "A refused record as it came, and why in the headers; or a notice of those not published.",
    ),
    topics.STATE: (
        "EnergyState",
        "application/msgpack",
        "A state or a part of one: a version byte and MessagePack. Not for other readers.",
    ),
}


def document() -> Json:
    """Build the AsyncAPI document of the worker."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "BESS Stream",
            "version": f"{VERSION}.0.0",
            "description": "Telemetry of grid batteries to energy, findings and alarms. "
            "Read with isolation.level=read_committed. + is discharge; see nomenclature.md.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {_name(topic): _channel(topic) for topic in topics.TOPICS},
        "operations": dict(_operation(topic) for topic in topics.TOPICS),
        "components": {
            "messages": {_label(m): _message(m) for m in MODELS}
            | {name: _bytes_message(topic) for topic, (name, _, _) in _BYTES.items()},
            "schemas": _components(MODELS, "#/components/schemas/{name}"),
        },
    }


def schema_of(model: Model) -> Json:
    """Build the JSON Schema of one record kind, complete in itself."""
    parts = _components([model], "#/$defs/{name}")
    own: Json = parts.pop(_label(model))
    head = {"$schema": JSON_SCHEMA, "$id": f"urn:bess:{_label(model)}:v{VERSION}"}
    return head | own | ({"$defs": parts} if parts else {})


def files() -> dict[Path, str]:
    """Render every generated file."""
    single = {HERE / "json" / f"{_label(m)}.json": _text(schema_of(m)) for m in MODELS}
    return {HERE / "asyncapi.json": _text(document())} | single


def stale() -> list[str]:
    """Name the generated files that differ from what is committed."""
    return [
        str(path.relative_to(HERE))
        for path, text in files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def _name(topic: Topic) -> str:
    return topic.suffix.replace(".", "-")


def _label(model: Model) -> str:
    return model.__name__


def _messages(topic: Topic) -> list[str]:
    return [_label(m) for m in CARRIES[topic]] if topic in CARRIES else [_BYTES[topic][0]]


def _channel(topic: Topic) -> Json:
    settings = topics.settings(topic)
    configuration: Json = {"cleanup.policy": [settings["cleanup.policy"]]}
    if "retention.ms" in settings:
        configuration["retention.ms"] = int(settings["retention.ms"])
    return {
        "address": topic.name("{prefix}"),
        "title": topic.name("bess"),
        "description": f"{topic.purpose}; keyed by {topic.keyed_by}",
        "parameters": {"prefix": {"default": "bess", "description": "Prefix of the deployment."}},
        "messages": {each: {"$ref": f"#/components/messages/{each}"} for each in _messages(topic)},
        "bindings": {
            "kafka": {"topicConfiguration": configuration, "bindingVersion": KAFKA_BINDING}
        },
    }


def _operation(topic: Topic) -> tuple[str, Json]:
    channel = f"#/channels/{_name(topic)}"
    action = "receive" if topic == topics.TELEMETRY else "send"
    by = "replay tools and gateways" if topic in SENT_BY_TOOLS else "the worker"
    return f"{action}-{_name(topic)}", {
        "action": action,
        "channel": {"$ref": channel},
        "summary": f"Written by {by}.",
        "messages": [{"$ref": f"{channel}/messages/{each}"} for each in _messages(topic)],
    }


def _message(model: Model) -> Json:
    example: Json = {
        "payload": json.loads((HERE / "examples" / f"{_label(model)}.json").read_bytes())
    }
    message: Json = {
        "name": _label(model),
        "title": _label(model).removesuffix("Record"),
        "summary": _summary(model),
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{_label(model)}"},
        "bindings": _key(" or ".join(dict.fromkeys(t.keyed_by for t in _topics_of(model)))),
        "examples": [example],
    }
    if model in CARRIES[topics.ALARMS]:
        message["headers"] = _headers(ALARM_HEADERS)
    return message


def _bytes_message(topic: Topic) -> Json:
    name, content_type, summary = _BYTES[topic]
    message: Json = {
        "name": name,
        "summary": summary,
        "contentType": content_type,
        "bindings": _key(topic.keyed_by),
    }
    if topic == topics.DEAD_LETTERS:
        message["headers"] = _headers(DEAD_LETTER_HEADERS, CUT_HEADERS + NOTICE_HEADERS)
    return message


def _topics_of(model: Model) -> list[Topic]:
    return [topic for topic, models in CARRIES.items() if model in models]


def _key(meaning: str) -> Json:
    key = {"type": "string", "description": meaning}
    return {"kafka": {"key": key, "bindingVersion": KAFKA_BINDING}}


def _headers(names: Sequence[str], sometimes: Sequence[str] = ()) -> Json:
    about = {name: glossary.fields()[name].meaning for name in (*names, *sometimes)}
    properties = {name: {"type": "string", "description": text} for name, text in about.items()}
    return {"type": "object", "properties": properties, "required": list(names)}


def _components(models: Sequence[Model], ref: str) -> Json:
    """Give the schemas of models and of what they hold, with the meanings of the glossary."""
    _, parts = msgspec.json.schema_components(models, ref_template=ref)
    for record, schema in parts.items():
        schema["description"] = cleandoc(schema["description"])
        for name, part in schema["properties"].items():
            if "$ref" not in part:
                part["description"] = _meaning(record, name)
    return parts


def _meaning(record: str, name: str) -> str:
    term = glossary.field(record, name)
    return f"{term.meaning} [{term.unit}]" if term.unit else term.meaning


def _summary(model: Model) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _text(content: Json) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the files, or with ``--check`` say which are out of date: exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m schemas.asyncapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    if parser.parse_args().check:
        names = stale()
        for name in names:
            sys.stderr.write(f"schemas/{name} differs: run python -m schemas.asyncapi\n")
        return 1 if names else 0
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
