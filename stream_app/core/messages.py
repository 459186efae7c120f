"""What flows in and out of the pipeline of one power block, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from stream_app.core.energy import Floats, Ints
from stream_app.core.findings import Transition
from stream_app.core.integrator import LateReason
from stream_app.core.topology import PowerBlock
from stream_app.core.windows import Run


@dataclass(frozen=True, eq=False)
class PowerSamples:
    """A columnar block of telemetry.

    Attributes
    ----------
    times
        (n,) ms UTC, in order of arrival.
    power_w
        DC input name -> (n,) power [W], + = discharge; NaN where the input has no value.
    correction
        Id of the correction that they belong to; None: they are counted as they come.
    """

    times: Ints
    power_w: Mapping[str, Floats]
    correction: str | None = None


@dataclass(frozen=True)
class Heartbeat:
    """The source is alive at ``time`` [ms UTC] although it may have no samples."""

    time: int


@dataclass(frozen=True)
class EndOfData:
    """No sample before ``time`` [ms UTC] is to come; windows are published as they stand."""

    time: int


@dataclass(frozen=True)
class Configure:
    """The topology and rules of the block from here on."""

    block: PowerBlock


@dataclass(frozen=True)
class CorrectionBegin:
    """Samples with this id replace the local days in ``[since, until)`` [ms UTC]."""

    id: str
    since: int
    until: int


@dataclass(frozen=True)
class CorrectionEnd:
    """All samples of a correction have come."""

    id: str


Message = PowerSamples | Heartbeat | EndOfData | Configure | CorrectionBegin | CorrectionEnd


RevisionReason = Literal["end_of_data", "late_data", "correction"]
"""An end of data had published the window before it was over; late samples fell into a hole of it;
a correction brought its days in again."""


@dataclass(frozen=True, eq=False)
class Rollup:
    """Windows of enclosures with equal shares of one input; each has the energy in ``run``.

    ``group`` tells which four ledger rows of the run are theirs; ``final`` is False for windows
    that the end of the data published before the clock had passed them. ``reason`` says why windows
    are published again; None for the first time.
    """

    block: PowerBlock
    input: str
    enclosures: tuple[str, ...]
    group: int
    resolution: str
    run: Run
    final: bool
    reason: RevisionReason | None = None


@dataclass(frozen=True)
class Finding:
    """A condition that began or ended, and whose it is."""

    block: PowerBlock
    input: str
    enclosures: tuple[str, ...]
    transition: Transition


@dataclass(frozen=True, eq=False)
class TooLate:
    """Samples that came after their time was settled, and why they were not folded."""

    block: PowerBlock
    input: str
    times: Ints
    power: Floats
    reason: LateReason


@dataclass(frozen=True)
class Refusal:
    """A message that could not be used: its place in the batch, and why."""

    index: int
    reason: str


@dataclass
class Outputs:
    """All that a fold gave, in the order of event time."""

    rollups: list[Rollup] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    too_late: list[TooLate] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    samples: int = 0

    def extend(self, other: "Outputs") -> None:
        """Append another fold's outputs; places of refusals stay as they are."""
        self.rollups += other.rollups
        self.findings += other.findings
        self.too_late += other.too_late
        self.refusals += other.refusals
        self.samples += other.samples
