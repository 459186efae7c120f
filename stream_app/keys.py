"""Keys: whose a telemetry record is, and where what is remembered of it stands in the state."""

from typing import Literal

Subject = Literal["block", "battery", "meter"]

PART = b"\x1f"
"""Between a telemetry key and a part of its state: no telemetry key has it, for all can be read."""


def subject_of(key: str) -> Subject:
    """What a telemetry key names: ``site/block``, ``site/battery/name`` or ``site/meter/name``.

    Any other key is taken for that of a block, which refuses it.
    """
    parts = key.split("/")
    if len(parts) == 3:
        if parts[1] == "battery":
            return "battery"
        if parts[1] == "meter":
            return "meter"
    return "block"


def part(*names: str) -> bytes:
    """End of the key of one part of a state; none for a state that is in one piece."""
    return b"".join(PART + name.encode() for name in names)


def telemetry_key(state_key: bytes) -> str:
    """Key of the telemetry that a state in the view, or a part of one, is folded from."""
    return state_key.partition(b"|")[2].partition(PART)[0].decode()
