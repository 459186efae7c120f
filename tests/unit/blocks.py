"""A power block and its samples, written briefly."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stream_app.core.findings import Transition
from stream_app.core.messages import Configure, Message, Outputs, PowerSamples
from stream_app.core.topology import PowerBlock, Rules
from stream_app.pipeline import BlockState, fold

MINUTE = 60_000
START = 1_743_465_600_000
"""2025-04-01 00:00 UTC."""
NAN = float("nan")


def block(
    rules: Rules | None = None, zone: str = "UTC", inputs: dict[str, dict[str, float]] | None = None
) -> PowerBlock:
    """Two inputs, two enclosures each."""
    default = {"1": {"A1": 0.5, "A2": 0.5}, "2": {"A3": 0.5, "A4": 0.5}}
    return PowerBlock("north", "1APCS1", zone, inputs or default, rules or Rules())


def with_inputs(old: PowerBlock, inputs: dict[str, dict[str, float]]) -> PowerBlock:
    """The same block with other inputs and enclosures."""
    return PowerBlock(old.site, old.block, old.zone, inputs, old.rules)


def power(minutes: Sequence[float], **inputs: Sequence[float]) -> PowerSamples:
    """Samples at minutes since START; ``i1`` and ``i2`` hold the kW of inputs 1 and 2."""
    times = START + np.rint(np.array(minutes) * MINUTE).astype(np.int64)
    watts = {name[1:]: np.array(values, dtype=np.float64) * 1000 for name, values in inputs.items()}
    return PowerSamples(times, watts)


@dataclass
class Plant:
    """A block whose outputs are collected."""

    topology: PowerBlock = field(default_factory=block)
    state: BlockState = field(default_factory=BlockState)

    def __post_init__(self) -> None:
        fold(self.state, [Configure(self.topology)])

    def feed(self, *messages: Message) -> Outputs:
        return fold(self.state, messages)


def told(outputs: Outputs) -> list[tuple[str, str, str, float]]:
    """Findings as (input, rule, raised or cleared, minutes since START)."""
    return [(each.input, *_change(each.transition)) for each in outputs.findings]


def _change(each: Transition) -> tuple[str, str, float]:
    return each.rule, "raised" if each.raised else "cleared", (each.time - START) / MINUTE
