"""Energy is neither lost nor made by ends of data, jumps, silences and changes of the topology."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.core.calendar import calendar
from stream_app.core.energy import CHARGED, DISCHARGED, held, ledger
from stream_app.core.integrator import LEDGER, LEDGER_ROWS
from stream_app.core.messages import Configure, EndOfData, Message, Outputs, PowerSamples
from stream_app.core.topology import PowerBlock
from stream_app.pipeline import BlockState, fold
from tests.property.strategies import histories

RESOLUTIONS = ("5min", "15min", "1h", "1d")
Energy = Counter[tuple[str, int]]
"""By enclosure and direction, W ms."""
Published = dict[tuple[str, str, int], tuple[int, list[int]]]
"""Newest revision, discharged and charged by resolution, enclosure and start."""


@st.composite
def steady_rules(draw: st.DrawFn) -> list[Message]:
    """A history in which all windows are published all the time, and nothing late is folded.

    The running counters, which the windows are compared with, do not follow late samples; and what
    the last sample holds depends on the rules.
    """
    messages = draw(histories())
    first = messages[0]
    assert isinstance(first, Configure)
    method, interval_ms = first.block.rules.method, first.block.rules.interval_ms

    def steady(block: PowerBlock) -> PowerBlock:
        fixed = {"method": method, "interval_ms": interval_ms, "correction_ms": 0}
        return replace(
            block,
            rules=replace(block.rules, **fixed, resolutions=RESOLUTIONS),  # type: ignore[arg-type]
        )

    return [Configure(steady(m.block)) if isinstance(m, Configure) else m for m in messages]


@settings(max_examples=300)
@given(steady_rules())
def test_windows_of_each_length_hold_the_energy_between_settled_samples(
    messages: list[Message],
) -> None:
    state, counted, published = BlockState(), Energy(), Published()
    times = [int(each.times[0]) for each in messages if isinstance(each, PowerSamples)]

    for message in [*messages, EndOfData(max(times) + 1)]:
        before = counters(state)
        outputs = fold(state, [message])
        after = counters(state)
        counted.update({key: after[key] - before[key] for key in after})
        keep_newest(published, outputs)

    counted.update(held_by_last(state))
    for resolution in RESOLUTIONS:
        assert +summed(published, resolution) == +counted, resolution


def counters(state: BlockState) -> Energy:
    return Energy(
        {
            (enclosure, row): state.inputs[name].energy[group][row]
            for name, each in state.counted.items()
            for group, (_, enclosures) in enumerate(each.allocation.groups())
            for enclosure in enclosures
            for row in (DISCHARGED, CHARGED)
        }
    )


def held_by_last(state: BlockState) -> Energy:
    """What the last samples hold until the nominal interval is over, as published."""
    assert state.block is not None
    found = Energy()
    for each in state.counted.values():
        assert each.last is not None
        time, power = each.last
        hold_ms = state.block.rules.held_ms
        slots = calendar(state.block.zone).edges("5min", time, time + hold_ms)
        cut = held(time, power, slots, hold_ms)
        for share, enclosures in each.allocation.groups():
            rows = ledger(cut, share).sum(axis=1).tolist()
            for enclosure in enclosures:
                found.update({(enclosure, row): rows[row] for row in (DISCHARGED, CHARGED)})
    return found


def keep_newest(published: Published, outputs: Outputs) -> None:
    for each in outputs.rollups:
        first = LEDGER + each.group * LEDGER_ROWS
        sums = each.run.sums[[first + DISCHARGED, first + CHARGED]].T.tolist()
        windows = zip(each.run.starts.tolist(), each.run.revisions.tolist(), sums, strict=True)
        for start, revision, energy in windows:
            for enclosure in each.enclosures:
                key = each.resolution, enclosure, start
                assert revision > published.get(key, (0, []))[0], key
                published[key] = revision, energy


def summed(published: Published, resolution: str) -> Energy:
    found = Energy()
    for (name, enclosure, _), (_, energy) in published.items():
        if name == resolution:
            found.update({(enclosure, DISCHARGED): energy[0], (enclosure, CHARGED): energy[1]})
    return found
