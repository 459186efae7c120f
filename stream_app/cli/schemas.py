"""``bess schemas``: the wire contract for people and for programs."""

from typing import Annotated

import typer

from stream_app.cli.errors import UserError

Record = Annotated[
    str | None, typer.Argument(help="A record kind, for its fields; without it the topics.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the AsyncAPI document.")]


def schemas(record: Record = None, as_json: AsJson = False) -> None:
    """Show the topics and what their records hold; names, units and signs are the glossary's.

    For example `bess schemas`, `bess schemas DailyRecord`, `bess schemas --json > asyncapi.json`.
    """
    if as_json:
        from schemas.asyncapi import HERE

        typer.echo((HERE / "asyncapi.json").read_text(encoding="utf-8"), nl=False)
    elif record is None:
        _print_topics()
    else:
        _print_fields(record)


def _print_topics() -> None:
    from rich.table import Table

    from schemas.asyncapi import CARRIES
    from schemas.topics import TOPICS

    table = Table("topic", "keyed by", "kept", "records", "purpose")
    for topic in TOPICS:
        kinds = "\n".join(model.__name__ for model in CARRIES.get(topic, ())) or "bytes"
        kept = "newest of a key" if topic.cleanup == "compact" else "all"
        table.add_row(topic.name("bess"), topic.keyed_by, kept, kinds, topic.purpose)
    _print(table)


def _print_fields(record: str) -> None:
    from msgspec.structs import fields
    from rich.table import Table

    from schemas import glossary
    from schemas.asyncapi import STRUCTS

    model = STRUCTS.get(record)
    if model is None:
        raise UserError(f"there is no record kind {record}; there are {', '.join(STRUCTS)}")
    table = Table("field", "unit", "range", "meaning", title=record)
    for each in fields(model):
        term = glossary.field(record, each.name)
        table.add_row(each.name, term.unit, term.range, term.meaning)
    _print(table)


def _print(table: object) -> None:
    from rich.console import Console

    Console().print(table)
