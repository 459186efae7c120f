"""Valid telemetry, small in itself, that would lead to much larger states if nothing bounded it."""

import numpy as np

from stream_app.codec.telemetry import Record, encode
from stream_app.core.messages import Configure, Message, PowerSamples
from stream_app.core.topology import PowerBlock, Rules

START = 1_735_682_400_000
MINUTE, DAY = 60_000, 86_400_000
KEY = b"north/1"
RULES = Rules(max_gap_ms=7 * DAY, correction_ms=7 * DAY)


def long_holes() -> list[Record]:
    """Thirteen kB: 96 DC inputs with four shares each, and a week between two pairs of samples."""
    shares = (0.1, 0.2, 0.3, 0.4)
    names = range(96)
    inputs = {f"D{n}": {f"E{n}_{at}": share for at, share in enumerate(shares)} for n in names}
    power = {name: np.array([1e6]) for name in inputs}
    messages: list[Message] = [Configure(PowerBlock("north", "1", "UTC", inputs, RULES))]
    for minute in (0, 15, 7 * 24 * 60 - 45, 7 * 24 * 60 - 30):
        messages += [PowerSamples(np.array([START + minute * MINUTE]), power)]
    return [(KEY, encode(message)) for message in messages]
