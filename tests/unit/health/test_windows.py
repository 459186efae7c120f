"""Windows of a battery system's signals: nothing that a signal showed is lost in them."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from schemas.results_battery import SignalWindowsRecord
from schemas.topics import SIGNALS
from stream_app.codec.signal_windows import signal_windows
from stream_app.core.battery import Battery, SystemSamples
from stream_app.core.health import system
from stream_app.core.health.signals import MOST_UNKNOWN
from stream_app.core.rows import NONE, Signal
from tests.unit.health.battery import BATTERY, DAY, HOUR, MIDNIGHT, MINUTE, Watched

KEPT = replace(
    BATTERY,
    signals={"fan_rpm": "extremes", "ac1_t": "max", "fa1_SmokeFlag": "flag", "cell_min_v": "max"},
)
Extremes = tuple[int, float | None, float | None]


def samples(minutes: float, step: int = MINUTE, **values: list[float]) -> SystemSamples:
    rows = len(next(iter(values.values())))
    times = MIDNIGHT + round(minutes * MINUTE) + step * np.arange(rows)
    return SystemSamples(times, {name: np.array(each) for name, each in values.items()})


def records(watched: Watched, battery: Battery = KEPT) -> list[SignalWindowsRecord]:
    return [
        msgspec.json.decode(signal_windows(battery, each).value, type=SignalWindowsRecord)
        for out in watched.outputs
        for each in out.windows
    ]


def told(record: SignalWindowsRecord) -> list[tuple[float, Mapping[str, Extremes]]]:
    """Minute of each window, and of each signal in it number, lowest, highest."""
    columns = zip(record.start, record.samples, record.lowest, record.highest, strict=True)
    return [
        (
            (start - MIDNIGHT) / MINUTE,
            {
                name: (count, low, high)
                for name, count, low, high in zip(record.signals, *each, strict=True)
                if count
            },
        )
        for start, *each in columns
    ]


def test_a_window_keeps_extremes_or_the_highest_value_as_the_battery_says() -> None:
    watched = Watched(KEPT).feed(
        samples(
            0,
            fan_rpm=[900.0, np.nan, -0.0, 1200.125, 1.0, 5.0],
            ac1_t=[-3.0, -2.5, np.nan, -9.0, -3.0, 30.0],
            fa1_SmokeFlag=[0, 0, 1, 0, 0, 0],
            soc_ratio=[0.5, 0.499, 0.5, 0.5, 7.0, 0.5],
        )
    )

    (record,) = records(watched)
    assert (record.resolution, record.final, record.rows) == ("5min", True, [5])
    assert told(record) == [
        (
            0,
            {
                "ac1_t": (4, None, -2.5),
                "fa1_SmokeFlag": (5, None, 1.0),
                "fan_rpm": (4, 0.0, 1200.125),
                "soc_ratio": (4, 0.499, 0.5),
            },
        )
    ]
    assert dict(zip(record.signals, record.refused[0], strict=True))["soc_ratio"] == 1


def test_one_value_of_a_flag_is_seen_in_the_windows_of_all_lengths() -> None:
    flag = np.zeros(1441)
    flag[1003] = 1
    watched = Watched(KEPT).feed(samples(0, fa1_SmokeFlag=flag.tolist()))

    seen = {
        each.resolution: [start for start, signals in told(each) if signals["fa1_SmokeFlag"][2]]
        for each in records(watched)
    }

    assert seen == {"5min": [1000.0], "15min": [990.0], "1h": [960.0], "1d": [0.0]}
    assert seen.keys() == SIGNALS.keys()


def test_a_day_of_25_hours_is_one_window() -> None:
    autumn = int(np.datetime64("2025-10-25T22:00", "ms").astype(np.int64))
    times = autumn + np.arange(0, 26 * HOUR, HOUR)
    watched = Watched(KEPT).feed(SystemSamples(times, {"fan_rpm": np.arange(26.0)}))

    (day,) = [each for each in records(watched) if each.resolution == "1d"]

    assert (day.end[0] - day.start[0], day.rows, day.highest) == (25 * HOUR, [25], [[24.0]])


def test_an_end_of_data_publishes_open_windows_and_more_rows_a_revision() -> None:
    watched = Watched(KEPT).feed(samples(0, fan_rpm=[5.0, 6.0])).ended().ended()
    first = records(watched)
    assert [(each.resolution, each.final, each.revision) for each in first] == [
        (name, False, [1]) for name in SIGNALS
    ]

    watched.feed(samples(2, fan_rpm=[9.0] * 4))

    (record,) = records(watched)[len(first) :]
    assert (record.final, record.revision, told(record)) == (
        True,
        [2],
        [(0, {"fan_rpm": (5, 5.0, 9.0)})],
    )


def test_a_signal_that_the_record_names_no_more_leaves_what_it_showed() -> None:
    watched = Watched(KEPT).feed(samples(0, fan_rpm=[5.0, 6.0]))
    other = replace(KEPT, signals={"pump": "max"})

    watched.feed(other, samples(2, pump=[3.0] * 4, fan_rpm=[99.0] * 4))

    (record,) = records(watched, other)
    assert told(record) == [(0, {"fan_rpm": (2, 5.0, 6.0), "pump": (3, None, 3.0)})]


def test_rows_far_apart_have_windows_of_their_own_and_none_between() -> None:
    watched = Watched(replace(KEPT, rules=replace(KEPT.rules, skew_ms=1000 * DAY)))
    watched.feed(samples(0, 400 * DAY, fan_rpm=[1.0, 2.0, 3.0]))

    assert {each.resolution: each.rows for each in records(watched)} == {
        name: [1, 1] for name in SIGNALS
    }


def test_many_rows_of_few_signals_are_folded_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).normal(size=2000).tolist()
    whole = Watched(KEPT).feed(samples(0, fan_rpm=values), samples(2000, ac1_t=values)).ended()
    monkeypatch.setattr(system, "MOST_VALUES", 70 * 15)

    cut = Watched(KEPT).feed(samples(0, fan_rpm=values), samples(2000, ac1_t=values)).ended()

    def every(watched: Watched) -> list[tuple[str, object]]:
        found = [(each.resolution, row) for each in records(watched) for row in told(each)]
        return sorted(found, key=lambda each: each[0])

    assert cut.state == whole.state
    assert every(cut) == every(whole)


def test_values_under_unknown_names_are_counted_by_day_and_name() -> None:
    patient = replace(KEPT, rules=replace(KEPT.rules, skew_ms=2 * DAY))
    watched = Watched(patient).feed(
        samples(0, 12 * HOUR, soc=[50.0, np.nan, 51.0], fan_rpm=[1.0] * 3),
        samples(2 * 1440, soc=[52.0], sox=[1.0]),
    )

    assert watched.days[0].values["ignored_values"] == 1
    assert watched.ended().days[-1].values["ignored_values"] == 2
    assert watched.state.present.unknown == {"soc": 3, "sox": 1}
    watched.feed(replace(patient, signals={"soc": "max"}))
    assert watched.state.present.unknown == {"sox": 1}


def test_of_unknown_names_without_end_the_first_of_the_alphabet_are_kept() -> None:
    names = [f"n{number:03}" for number in range(100)]
    chance = np.random.default_rng(1)
    counted = []
    for _ in range(3):
        watched = Watched(KEPT)
        for place, name in enumerate(chance.permutation(names).tolist()):
            watched.feed(samples(place, **{name: [1.0]}))
        counted.append(watched.state.present.unknown)

    assert counted == [dict.fromkeys(names[:MOST_UNKNOWN], 1)] * 3


def test_whole_numbers_without_a_scale_are_in_the_order_of_the_values_and_give_them_back() -> None:
    values = np.array([-1e15, -2.5, -5e-324, -0.0, 0.0, 5e-324, 1e-3, 0.1, 1e15])
    signal = Signal("any")

    wholes = signal.whole(values)

    assert (np.diff(wholes) >= 0).all()
    assert wholes[3] == wholes[4] == 0
    assert wholes.min() > NONE + 1
    assert signal.told(wholes).tolist() == values.tolist()
    assert signal.whole(np.array([np.nan])).tolist() == [NONE]
