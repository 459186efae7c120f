"""Power blocks from column names, or as the configuration spells them."""

from collections.abc import Mapping, Sequence

import pytest

from replay.columns import power_columns
from replay.config import parse_config
from replay.derivation import power_blocks, rules
from replay.errors import ConfigError, TopologyError
from stream_app.core.order import natural_key
from stream_app.core.topology import PowerBlock
from tests.replay.exports import enclosures, power

MINUTE = 60_000


def columns_of(*stations: tuple[str, str, int]) -> list[str]:
    """Columns of inverters with two inputs, each (inverter, enclosure prefix, enclosures)."""
    return [
        name
        for inverter, prefix, count in stations
        for name in (power(inverter, 1), power(inverter, 2), *enclosures(prefix, count))
    ]


def derived(names: Sequence[str], raw: Mapping[str, object] | None = None) -> list[PowerBlock]:
    config = parse_config(raw or {})
    return power_blocks(power_columns(names, config), names, config, 15 * MINUTE)


@pytest.mark.parametrize(
    ("count", "first", "second"),
    [
        (6, ["1A1BAT1", "1A1BAT2", "1A1BAT3"], ["1A1BAT4", "1A1BAT5", "1A1BAT6"]),
        (4, ["1A1BAT1", "1A1BAT2"], ["1A1BAT3", "1A1BAT4"]),
    ],
)
def test_enclosures_go_to_the_inputs_by_position_in_equal_parts(
    count: int, first: list[str], second: list[str]
) -> None:
    names = columns_of(("1APCS1", "1A1", count))

    (block,) = derived(list(reversed(names)))

    assert block.key == "station/1APCS1"
    assert {name: list(shares) for name, shares in block.inputs.items()} == {
        "1": first,
        "2": second,
    }
    assert set(block.inputs["1"].values()) == {1 / len(first)}


def test_blocks_and_positions_are_in_natural_order() -> None:
    stations = [(f"1APCS{n}", f"1A{n}", 4) for n in (10, 2, 1)]

    blocks = derived(
        columns_of(*stations, ("1APCS11", "1A11", 12)), {"allocation": {"split_12": [6, 6]}}
    )

    assert [block.block for block in blocks] == ["1APCS1", "1APCS2", "1APCS10", "1APCS11"]
    assert list(blocks[3].inputs["2"])[-1] == "1A11BAT12"


def test_many_columns_of_one_enclosure_count_once() -> None:
    names = columns_of(("1APCS1", "1A1", 4))
    more = [
        f"Cell {n} voltage (V) {each.partition(' (%) ')[2]}" for n in range(9) for each in names
    ]

    assert derived([*names, *more]) == derived(names)


def test_a_split_rule_of_another_size_is_a_key_of_the_config() -> None:
    (block,) = derived(columns_of(("1APCS1", "1A1", 5)), {"allocation": {"split_5": [2, 3]}})

    assert [len(shares) for shares in block.inputs.values()] == [2, 3]


def test_other_names_are_linked_by_other_regexes() -> None:
    names = [
        "P (kW) [INV-07.1]",
        "P (kW) [INV-07.2]",
        *(f"SOC [Container 07-{letter}{n}]" for letter in "ab" for n in (1, 2)),
    ]
    raw = {
        "power": {"dc_input_power_regex": r"\[(?P<inv>INV-\d+)\.(?P<input>\d)\]"},
        "allocation": {"battery_system_regex": r"\[Container (?P<eid>[^\]]+)\]"},
        "topology": {
            "inverter_group": r"INV-(?P<number>\d+)",
            "enclosure_group": r"^(?P<inverter>\d+)-(?P<position>\w\d)$",
        },
    }

    (block,) = derived(names, raw)

    assert {name: list(shares) for name, shares in block.inputs.items()} == {
        "1": ["07-a1", "07-a2"],
        "2": ["07-b1", "07-b2"],
    }


def test_an_explicit_topology_holds_as_it_is_spelled() -> None:
    inputs = {1: ["A", "B"], "2": {"C": 0.4, "D": 0.6}}
    names = [power("1APCS1", 1), power("1APCS1", 2)]

    (block,) = derived(names, {"topology": {"inverters": {"1APCS1": {"inputs": inputs}}}})

    assert block.inputs == {"1": {"A": 0.5, "B": 0.5}, "2": {"C": 0.4, "D": 0.6}}


STATION = columns_of(("1APCS1", "1A1", 4))
EXPLICIT = {"1APCS1": {"inputs": {"1": ["A"], "2": ["B"]}}}


def explicit(inverters: Mapping[str, object]) -> dict[str, object]:
    return {"topology": {"inverters": inverters}}


@pytest.mark.parametrize(
    ("names", "raw", "named", "remedy"),
    [
        (["Timestamp", "Power"], {}, "'Power'", "power.columns"),
        (STATION[:2], {}, "battery_system_regex", "topology.inverters"),
        ([*STATION, *columns_of(("1APCS2", "1A2", 0))], {}, "1APCS2", "has no enclosure"),
        (columns_of(("1APCS1", "1A1", 5)), {}, "1APCS1 has 5 enclosures", "allocation.split_5"),
        (STATION[1:], {}, "DC input 2 ", "has 2 parts"),
        ([*STATION, *enclosures("9Z9", 1)], {}, "9Z9BAT1", "belongs to no inverter"),
        ([*STATION, "[Battery system X1]"], {}, "X1", "topology.enclosure_group"),
        (columns_of(("Inv1", "1A1", 4)), {}, "Inv1", "topology.inverter_group"),
        (
            columns_of(("1A1PCS1", "1A11", 4), ("1APCS11", "1A11", 4)),
            {},
            "1APCS11",
            "topology.inverter_group",
        ),
        (
            [*STATION, STATION[0] + " "],
            {"power": {"dc_input_power_regex": r"BESS(?P<input>.).*r (?P<inv>[^\]]+)"}},
            "both measure",
            "narrow",
        ),
        (STATION, explicit({}), "1APCS1", "add it"),
        (STATION, explicit({**EXPLICIT, "X": {"inputs": {"1": ["C"]}}}), "inverter X", "remove it"),
        (STATION, explicit({"1APCS1": {"inputs": {"1": ["A"]}}}), "DC input 2", "add it"),
        (
            STATION,
            explicit({"1APCS1": {"inputs": {"1": ["A"], "2": ["B"], "3": ["C"]}}}),
            "DC input 3",
            "no power column",
        ),
        (
            STATION,
            explicit({"1APCS1": {"inputs": {"1": ["A"], "2": ["A"]}}}),
            "enclosure A",
            "keep one",
        ),
        (
            STATION,
            explicit({"1APCS1": {"inputs": {"1": [], "2": ["A"]}}}),
            "inputs.1",
            "at least one",
        ),
        (
            STATION,
            explicit({"1APCS1": {"inputs": {"1": {"A": 0.5, "B": 0.4}, "2": ["C"]}}}),
            "sum to 0.9",
            "equal parts",
        ),
        (STATION, {"power": {"columns": {"P": {"inverter": "x"}}}}, "'P'", "the export has"),
    ],
)
def test_what_does_not_fit_is_named_with_the_remedy(
    names: list[str], raw: dict[str, object], named: str, remedy: str
) -> None:
    with pytest.raises(TopologyError) as fault:
        derived(names, raw)

    assert named in str(fault.value)
    assert remedy in str(fault.value)


def test_a_share_beyond_one_is_refused_by_the_config() -> None:
    with pytest.raises(ConfigError, match=r"topology\.inverters\.1APCS1\.inputs\.1"):
        parse_config(explicit({"1APCS1": {"inputs": {"1": {"A": 1.5, "B": -0.5}}}}))


@pytest.mark.parametrize(
    ("interval_ms", "resolutions"),
    [
        (1000, ("5min", "15min", "1h", "1d")),
        (15 * MINUTE, ("15min", "1h", "1d")),
        (90 * MINUTE, ("1d",)),
    ],
)
def test_rollups_are_not_finer_than_the_interval(
    interval_ms: int, resolutions: tuple[str, ...]
) -> None:
    assert rules(parse_config({}), interval_ms).resolutions == resolutions


@pytest.mark.parametrize(
    ("interval_ms", "max_gap_ms", "stale_ms", "skew_ms"),
    [(1000, 3000, 60_000, 3_600_000), (30 * MINUTE, 90 * MINUTE, 90 * MINUTE, 90 * MINUTE)],
)
def test_limits_that_are_not_set_follow_from_the_interval(
    interval_ms: int, max_gap_ms: int, stale_ms: int, skew_ms: int
) -> None:
    found = rules(parse_config({}), interval_ms)

    assert (found.max_gap_ms, found.stale_ms, found.skew_ms) == (max_gap_ms, stale_ms, skew_ms)


def test_limits_that_are_set_hold() -> None:
    raw = {
        "energy": {
            "method": "left",
            "max_gap": "45min",
            "lateness": "2min",
            "rating_kw": 1800,
            "rollups": ["1h"],
        },
        "alarms": {"stale_after": "10min", "frozen_after": "1h", "clock_skew": "5min"},
    }

    found = rules(parse_config(raw), MINUTE)

    assert found.method == "left"
    assert (found.max_gap_ms, found.lateness_ms, found.rating_w) == (45 * MINUTE, 2 * MINUTE, 1.8e6)
    assert (found.stale_ms, found.frozen_ms, found.skew_ms) == (
        10 * MINUTE,
        60 * MINUTE,
        5 * MINUTE,
    )
    assert found.resolutions == ("1h", "1d")


def test_natural_order_compares_numbers_as_numbers() -> None:
    assert sorted(["b2", "a10", "a2", "2", "10", "a"], key=natural_key) == [
        "2",
        "10",
        "a",
        "a2",
        "a10",
        "b2",
    ]
