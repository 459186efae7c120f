"""Exports of either kind, opened and shown as ``bess replay`` needs them."""

from dataclasses import fields
from typing import TYPE_CHECKING

import typer
from rich.console import Console

if TYPE_CHECKING:
    from replay.config import Config
    from replay.export import Export
    from replay.feed import Feed
    from replay.signals.export import SignalExport
    from stream_app.core.battery import BatteryRules
    from stream_app.core.topology import Rules

_SHOWN = 5


def open_feed(config: "Config") -> "Feed":
    """Open the export: of signals where the configuration has rules for them, else of power."""
    from replay.export import Export

    return open_signals(config) if config.signals.rules else Export.open(config)


def contents(feed: "Feed") -> str:
    """What an export holds, for one line."""
    from replay.export import Export
    from replay.signals.export import SignalExport

    if isinstance(feed, Export):
        return f"{len(feed.columns)} power columns of {len(feed.blocks)} power blocks"
    assert isinstance(feed, SignalExport)
    packs = sum(len(battery.packs) for battery in feed.batteries)
    return (
        f"{len(feed.mapped.targets):,} signals of {len(feed.batteries)} batteries with "
        f"{packs} packs, {len(feed.meters)} meters"
    )


def tell_topology(feed: "Feed") -> None:
    """Print what the configuration makes of the export."""
    from replay.export import Export
    from replay.signals.export import SignalExport

    if isinstance(feed, Export):
        _tell_blocks(feed)
    elif isinstance(feed, SignalExport):
        _tell_batteries(feed)


def open_signals(config: "Config") -> "SignalExport":
    """Open an export of signals, with progress: it may have thousands of files."""
    from rich.progress import Progress

    from replay.signals.export import SignalExport

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Looking at files", total=None)
        return SignalExport.open(
            config, lambda done, of: progress.update(task, completed=done, total=of)
        )


def _tell_blocks(export: "Export") -> None:
    for block in export.blocks[:_SHOWN]:
        inputs = "; ".join(
            f"input {name}: " + ", ".join(f"{each} {share:.4g}" for each, share in shares.items())
            for name, shares in block.inputs.items()
        )
        typer.echo(f"{block.key}: {inputs}")
    more = len(export.blocks) - _SHOWN
    if more > 0:
        typer.echo(f"... and {more} more power blocks, to {export.blocks[-1].key}")
    _tell_rules(export.blocks[0].rules)


def _tell_batteries(export: "SignalExport") -> None:
    for battery in export.batteries:
        packs = ", ".join(f"{name} {cells} cells" for name, cells in battery.packs.items())
        own = export.layout.values.get(f"battery/{battery.system}", ())
        typer.echo(f"{battery.key}: packs {packs or 'none'}; {', '.join(own) or 'no signals'}")
    for meter in export.meters:
        own = export.layout.values[f"meter/{meter.meter}"]
        typer.echo(f"{meter.key}: {', '.join(own)}")
    for battery in export.batteries[:1]:
        _tell_rules(battery.rules)


def _tell_rules(rules: "Rules | BatteryRules") -> None:
    """A name and value for each rule that has one, as the glossary has them."""
    named = ((field.name, getattr(rules, field.name)) for field in fields(rules))
    told = [f"{name} {value}" for name, value in named if value not in (None, {}, ())]
    typer.echo("rules: " + ", ".join(told))
