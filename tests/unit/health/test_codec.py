"""The state of health and of meters as bytes."""

import pytest

from stream_app.codec.health import FORMAT, restore, snapshot
from stream_app.core.battery import MeterPoint, MeterSamples
from stream_app.core.health.state import SystemState
from stream_app.core.meters import MeterState, fold_meter
from tests.unit.health.battery import ALL, DAY, MIDNIGHT, Pack, watch


def busy() -> SystemState:
    """A state with something in every field."""
    watched = watch(Pack(capacity_ah=266.0, signals=ALL).samples(2.5)).ended()
    far = Pack(signals=ALL).samples(0, MIDNIGHT + 90 * DAY)
    watched.feed(far)
    return watched.state


def metered() -> MeterState:
    samples = Pack(signals=("dc_power_w",)).samples(1.5)
    counter = samples.times / 1e6
    counter[500] = 0.0
    values = {"power_w": samples.values["dc_power_w"], "export_wh": counter}
    state = MeterState()
    point = MeterPoint("site", "m1", "Europe/Berlin")
    fold_meter(state, [point, MeterSamples(samples.times, values)])
    return state


@pytest.mark.parametrize("make", [busy, metered, SystemState, MeterState])
def test_a_restored_state_is_the_state(make: "type[SystemState | MeterState]") -> None:
    state = make()

    assert restore(type(state), snapshot(state)) == state
    assert snapshot(restore(type(state), snapshot(state))) == snapshot(make())


def test_present_and_past_are_restored_apart() -> None:
    state = busy()
    parts = (
        restore(type(state.present), snapshot(state.present)),
        restore(type(state.past), snapshot(state.past)),
    )

    assert SystemState(*parts) == state
    assert state.present.soc.rest_anchor
    assert state.present.soc.capacity
    assert state.present.clock.aside
    assert state.past.published
    assert state.past.recent


def test_what_every_row_changes_is_small() -> None:
    assert len(snapshot(busy().present)) < 3000


def test_no_bytes_are_an_empty_state() -> None:
    assert restore(SystemState, None) == SystemState()


@pytest.mark.parametrize("data", [b"", b"\x00", bytes((FORMAT + 1,)) + snapshot(busy())[1:]])
def test_bytes_of_another_format_are_refused_with_the_remedy(data: bytes) -> None:
    with pytest.raises(ValueError, match="run the version of the program that wrote it"):
        restore(SystemState, data)


@pytest.mark.parametrize("rest", [snapshot(busy())[1:-1], b"", b"\x93\x01"])
def test_bytes_that_are_no_state_are_refused(rest: bytes) -> None:
    with pytest.raises(ValueError, match=r"truncated|Expected"):
        restore(SystemState, bytes((FORMAT,)) + rest)
