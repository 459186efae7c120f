"""What a block's state says of an enclosure, in the units of people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stream_app.core.energy import CHARGED, DISCHARGED, kwh
from stream_app.core.integrator import LEDGER, LEDGER_ROWS, SAMPLES, InputState
from stream_app.core.topology import PowerBlock, share_groups
from stream_app.pipeline import BlockState


@dataclass(frozen=True)
class OpenEnergy:
    """Energy of an open window up to now [kWh]; ``start`` in ms UTC."""

    resolution: str
    start: int
    discharged_kwh: float
    charged_kwh: float
    samples: int


@dataclass(frozen=True)
class EnclosureState:
    """An enclosure, its DC input, and what is remembered of them. Times in ms UTC.

    Attributes
    ----------
    clock, settled
        Newest accepted time of the input, and the time up to which samples are folded for good.
    latest
        Time and power [W] of the input's newest accepted sample, + = discharge.
    pending
        Count of accepted samples that wait until they are settled.
    quarantine
        Times of samples set aside because they are far ahead of the clock.
    discharged_kwh, charged_kwh
        Since the first sample [kWh].
    alarms
        Rule -> since when its condition stands.
    """

    site: str
    block: str
    input: str
    enclosure: str
    share: float
    zone: str
    clock: int | None
    settled: int | None
    latest: tuple[int, float] | None
    pending: int
    quarantine: list[int]
    discharged_kwh: float
    charged_kwh: float
    windows: list[OpenEnergy]
    alarms: Mapping[str, int]

    @property
    def name(self) -> str:
        return f"{self.site}/{self.enclosure}"


def enclosures(state: BlockState) -> Iterator[EnclosureState]:
    """All enclosures of a block."""
    if state.block is None:
        return
    for name, shares in state.block.inputs.items():
        kept = state.inputs.get(name, InputState())
        for group, (share, members) in enumerate(share_groups(shares)):
            for enclosure in members:
                yield _enclosure(state.block, name, enclosure, share, group, kept)


def matches(enclosure: EnclosureState, asked: str) -> bool:
    """Whether ``asked`` is its id, or ``site/id``."""
    return asked in (enclosure.enclosure, enclosure.name)


def _enclosure(
    block: PowerBlock, name: str, enclosure: str, share: float, group: int, kept: InputState
) -> EnclosureState:
    discharged, charged = kept.energy[group][:2] if group < len(kept.energy) else (0, 0)
    return EnclosureState(
        block.site,
        block.block,
        name,
        enclosure,
        share,
        block.zone,
        kept.clock.now,
        kept.clock.settled,
        kept.latest,
        len(kept.pending),
        sorted(sample[0] for sample in kept.clock.ahead),
        kwh(discharged),
        kwh(charged),
        list(_windows(kept, LEDGER + LEDGER_ROWS * group)),
        dict(kept.rules.active),
    )


def _windows(kept: InputState, first: int) -> Iterator[OpenEnergy]:
    """Open windows, shortest first; ``first`` is the first of the enclosure's four ledger rows."""
    for resolution, window in kept.windows.items():
        if window.open is None:
            continue
        sums = window.open.sums
        yield OpenEnergy(
            resolution,
            window.open.start,
            kwh(sums[first + DISCHARGED]),
            kwh(sums[first + CHARGED]),
            sums[SAMPLES],
        )
