"""What a worker folds of batteries and meters, by key, in parts."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.topics import ALARMS, CELLS, HEALTH_DAILY, METER_DAILY
from stream_app import agents
from stream_app.agents import fold_chunk, load
from stream_app.codec.battery import encode_battery
from stream_app.codec.telemetry import Record, decode
from stream_app.core.battery import (
    Battery,
    CellSamples,
    MeterPoint,
    MeterSamples,
    SystemSamples,
)
from stream_app.core.messages import EndOfData
from stream_app.families import BATTERY
from stream_app.keys import part, subject_of, telemetry_key
from tests.kafka.battery_results import Results, of_outputs

START_MS = 1_761_000_000_000
MINUTE_MS = 60_000
SYSTEM = Battery("north", "bess1", "Europe/Berlin", {"1": 6, "2": 6}, capacity_ah=280.0)
METER = MeterPoint("north", "grid", "Europe/Berlin")
KEY, METER_KEY = SYSTEM.key.encode(), METER.key.encode()


def records(rows: int = 40, step_ms: int = 45 * MINUTE_MS) -> list[Record]:
    """A record a row, of two packs, their system and a meter; some come too late."""
    found = [(KEY, encode_battery(SYSTEM)), (METER_KEY, encode_battery(METER))]
    for row in range(rows):
        late = step_ms * 3 if row % 11 == 10 else 0
        time = np.array([START_MS + row * step_ms - late], dtype=np.int64)
        volts = np.full((1, 6), 3.3 + 0.01 * (row % 5))
        volts[0, 4] += 0.36 if row % 9 > 5 else 0.0
        load = {"current_a": np.array([40.0]), "soc_ratio": np.array([0.9 - row / 100])}
        found += [
            (KEY, encode_battery(SystemSamples(time, load))),
            (KEY, encode_battery(CellSamples("1", time, volts, volts * 8, **load))),
            (KEY, encode_battery(CellSamples("2", time, volts), packed=True)),
            (METER_KEY, encode_battery(MeterSamples(time, {"power_w": np.array([row * 10.0])}))),
        ]
    end = encode_battery(EndOfData(START_MS + rows * step_ms))
    return [*found, (KEY, end), (METER_KEY, end)]


def folded(parts: list[list[Record]]) -> tuple[dict[bytes, bytes], dict[int, str], Results]:
    table: dict[bytes, bytes] = {}
    refused: dict[int, str] = {}
    outputs = []
    first = 0
    for each in parts:
        found = fold_chunk(decode(each), table, each)
        refused |= {first + place: reason for place, reason in found.refused.items()}
        outputs += found.records
        first += len(each)
    return table, refused, of_outputs(outputs)


def cut(every: list[Record], sizes: list[int]) -> list[list[Record]]:
    parts, first = [], 0
    for size in sizes:
        parts.append(every[first : first + size])
        first += size
    return [each for each in (*parts, every[first:]) if each]


WHOLE = folded([records()])


@pytest.mark.parametrize(
    ("key", "subject"),
    [
        ("north/1PCS1", "block"),
        ("north/battery", "block"),
        ("north/battery/b", "battery"),
        ("north/meter/m", "meter"),
        ("north/battery/b/1", "block"),
        ("north/other/b", "block"),
    ],
)
def test_the_key_alone_says_whose_a_record_is(key: str, subject: str) -> None:
    assert subject_of(key) == subject


@pytest.mark.parametrize("names", [(), ("health", "past"), ("pack", "a|b", "hot")])
def test_each_part_of_a_state_leads_to_its_telemetry_key(names: tuple[str, ...]) -> None:
    assert telemetry_key(b"energy|north/battery/a|b" + part(*names)) == "north/battery/a|b"


def test_a_chunk_gives_windows_days_alarms_and_nothing_is_refused() -> None:
    _, refused, results = WHOLE

    topics = (*CELLS.values(), HEALTH_DAILY, METER_DAILY, ALARMS)
    assert refused == {}
    assert {topic.suffix for topic in topics} <= {name for name, _ in results}


@settings(max_examples=30)
@given(sizes=st.lists(st.integers(1, 60), max_size=8))
def test_results_and_states_do_not_depend_on_the_chunks(sizes: list[int]) -> None:
    assert folded(cut(records(), sizes)) == WHOLE


def test_a_row_within_a_window_changes_the_parts_of_its_pack_alone() -> None:
    table, step = dict(WHOLE[0]), 40 * 45 * MINUTE_MS
    first = np.array([START_MS + step], dtype=np.int64)
    rows = [
        (KEY, encode_battery(CellSamples("1", first + 1000 * at, np.full((1, 6), 3.3))))
        for at in range(4)
    ]
    for each in rows[:3]:
        fold_chunk(decode([each]), table, [each])
    before = dict(table)

    fold_chunk(decode(rows[3:]), table, rows[3:])

    assert [key for key in table if table[key] != before[key]] == [KEY + part("pack", "1", "hot")]


def newest(*names: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(WHOLE[0][KEY + part("newest", *names)])
    return found


@pytest.mark.parametrize("level", CELLS)
@pytest.mark.parametrize("pack", ["1", "2"])
def test_the_newest_window_of_each_length_stands_beside_the_state(pack: str, level: str) -> None:
    found = newest("cells", pack, level)
    windows = WHOLE[2][CELLS[level].suffix, KEY + f"/{pack}".encode()]
    last = msgspec.json.decode(windows[-1])

    assert len(found["start"]) == 1
    assert found["start"][0] == last["start"]
    assert found["voltage_mean_v"][0] == last["voltage_mean_v"]
    assert found["final"] is False, "the end of the data published it"


def test_the_newest_day_and_the_newest_critical_cells_stand_beside_the_state() -> None:
    table, day = newest("critical", "1"), newest("health")
    days = [
        msgspec.json.decode(each)
        for (name, _), every in WHOLE[2].items()
        if name == HEALTH_DAILY.suffix
        for each in every
    ]

    assert {each["cell"] for each in table["cells"]} == {5}
    assert day == max(days, key=lambda each: (each["date"], each["revision"]))


def test_what_only_readers_see_is_no_part_of_the_state() -> None:
    table = dict(WHOLE[0])
    for key in [key for key in table if key.startswith(KEY + part("newest"))]:
        del table[key]

    with_it, without = (load(BATTERY, each, SYSTEM.key) for each in (WHOLE[0], table))
    assert BATTERY.save(without, None) == BATTERY.save(with_it, None)


def test_a_battery_record_that_cells_refuse_changes_nothing_of_its_health() -> None:
    table = dict(WHOLE[0])
    smaller = Battery("north", "bess1", "Europe/Berlin", {"1": 5}, capacity_ah=100.0)
    record = (KEY, encode_battery(smaller))

    found = fold_chunk(decode([record]), table, [record])

    assert list(found.refused) == [0]
    assert "6 are counted" in found.refused[0]
    assert table == WHOLE[0]


def test_a_battery_record_that_health_refuses_changes_nothing_of_its_cells() -> None:
    elsewhere = Battery("north", "bess1", "Asia/Shanghai", {})
    system = Battery("north", "bess1", "Europe/Berlin", {})
    rows = [
        (KEY, encode_battery(each))
        for each in (
            system,
            *(
                SystemSamples(np.array([START_MS + at], dtype=np.int64), {"soc_ratio": np.ones(1)})
                for at in (0, MINUTE_MS)
            ),
            elsewhere,
        )
    ]
    table: dict[bytes, bytes] = {}

    found = fold_chunk(decode(rows), table, rows)

    assert list(found.refused) == [3]
    assert load(BATTERY, table, SYSTEM.key).cells.battery == system


def test_a_state_without_one_of_its_parts_is_not_read_as_an_empty_one() -> None:
    table = dict(WHOLE[0])
    del table[KEY + part("pack", "2", "cold")]

    with pytest.raises(ValueError, match="the cold part of pack 2 is missing"):
        load(BATTERY, table, SYSTEM.key)


def test_a_record_that_leads_to_too_much_is_refused_and_leaves_the_state_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    every = records(rows=12)
    monkeypatch.setattr(agents, "LARGEST_OUTPUT", 10)

    table, refused, results = folded([every])
    alone = folded([[each] for each in every])

    assert refused
    assert "cut the battery system into several" in refused[min(refused)]
    assert results == {}
    assert (table, refused, results) == alone
