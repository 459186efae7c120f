"""``bess doctor``: what could go wrong with a deployment, and what to do about it."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from stream_app.cli.deployment import read_settings, remarks

if TYPE_CHECKING:
    from stream_app.doctor.findings import Finding

_COLOURS = {"ok": "green", "warning": "yellow", "fault": "red"}

AsJson = Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")]


def doctor(as_json: AsJson = False) -> None:
    """Check brokers, topics, workers, transactions, Redis, the view, clocks and settings.

    Each finding says what was found, why it matters and what to do. Changes nothing, and may run
    beside workers. Exit status 0 when there is no fault (warnings are none), 1 when there is one.
    """
    from stream_app.doctor.checks import check
    from stream_app.doctor.findings import Level
    from stream_app.doctor.gather import gather

    settings = read_settings()
    typer.echo("asking Kafka and Redis ...", err=True)
    findings = check(asyncio.run(gather(settings, remarks())))
    if as_json:
        _print_json(findings)
    else:
        _print(findings)
    if any(each.level is Level.FAULT for each in findings):
        raise typer.Exit(1)


def _print_json(findings: "Sequence[Finding]") -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode([asdict(each) for each in findings])))


def _print(findings: "Sequence[Finding]") -> None:
    for each in findings:
        typer.secho(f"{each.level:<8}", fg=_COLOURS[each.level], nl=False)
        typer.echo(f"{each.subject}: {each.what}")
        if each.why:
            typer.echo(f"          why:  {each.why}")
            typer.echo(f"          do:   {each.remedy}")
    counts = [sum(each.level == level for each in findings) for level in ("fault", "warning")]
    typer.echo(f"{counts[0]} faults, {counts[1]} warnings")
