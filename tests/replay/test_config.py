"""config.yaml: defaults, S0's own example, and what is said about mistakes."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from replay import lenient_yaml
from replay.config import ENCLOSURE_REGEX, POWER_REGEX, load_config, parse_config
from replay.durations import milliseconds
from replay.errors import ConfigError

S0 = r"""
data:
  paths:
    - "exports/*.parquet"

parsing:
  timestamp_col: "Timestamp"
  timezone: "Australia/Sydney"

power:
  # Matches: BESS1 DC Input Power (kW) [Battery Inverter 1APCS1]
  dc_input_power_regex:
    "^BESS(?P<input>[12]) DC Input Power \(kW\) \[Battery Inverter (?P<inv>[^\]]+)\]$"

allocation:
  battery_system_regex: "\[Battery system (?P<eid>[^\]]+)\]"
  split_6: [3, 3]
  split_4: [2, 2]

output:
  dir: "out"
  daily_table_file: "daily_energy_by_enclosure.csv"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_s0_example_loads_although_yaml_forbids_its_escapes(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, S0))

    assert config.power.dc_input_power_regex.pattern == POWER_REGEX
    assert config.allocation.battery_system_regex.pattern == ENCLOSURE_REGEX
    assert config.data.paths == (str(tmp_path / "exports/*.parquet"),)


def test_a_config_with_only_paths_has_the_s0_defaults(tmp_path: Path) -> None:
    short = load_config(write(tmp_path, "data: {paths: exports/*.parquet}"))

    assert short == load_config(write(tmp_path, S0))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\d+"', r"\d+"),
        (r'"a\(b\\c"', r"a\(b\\c"),
        (r'"say \"hi\" \d"', r'say "hi" \d'),
        (r'"C:\Users\data"', r"C:\Users\data"),
        (r'"\[x\]\\"', r"\[x\]\\"),
        (r'"\n\t\\"', "\n\t\\"),
        (r'"\x41"', "A"),
        (r"'\d'", r"\d"),
    ],
)
def test_only_scalars_that_yaml_refuses_are_taken_literally(text: str, value: str) -> None:
    assert lenient_yaml.load(f"a: {text}\nb: 1") == {"a": value, "b": 1}


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())))
def test_valid_yaml_keeps_its_meaning(value: object) -> None:
    for text in (yaml.safe_dump(value), yaml.safe_dump(value, default_style='"')):
        assert lenient_yaml.load(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("energy: {methd: left}", "energy.methd", "did you mean energy.method?"),
        ("max_gap: 45min", "max_gap", "did you mean energy.max_gap?"),
        ("allocation: {split_x: [1]}", "allocation.split_x", "did you mean allocation.split_"),
        ("energy: {method: rect}", "energy.method", "'trapezoid' or 'left'"),
        ("energy: {max_gap: 45}", "energy.max_gap", "a number and a unit"),
        ("data: {interval: 0s}", "data.interval", "longer than 0"),
        ("data: {interval: 15 parsecs}", "data.interval", "a number and a unit"),
        ("parsing: {timezone: Europe/Atlantis}", "parsing.timezone", "does not exist"),
        ("allocation: {split_6: [3, 2]}", "allocation", "sums to 5, not 6"),
        ("allocation: {split_5: [5, 1]}", "allocation", "sums to 6, not 5"),
        ("power: {dc_input_power_regex: '['}", "power.dc_input_power_regex", "regular expression"),
        ("power: {dc_input_power_regex: 'x(?P<inv>.)'}", "power", "(?P<input>...)"),
        (r'allocation: {battery_system_regex: "\b(?P<eid>.)"}', "allocation", "single quotes"),
        ("power: {unit: GW}", "power.unit", "'W', 'kW' or 'MW'"),
        ("energy: {rating_kw: -1}", "energy.rating_kw", "greater than 0"),
        ("site: a/b", "site", "pattern"),
        ("data: [", "is not YAML", "line 1"),
        ("- data", "must hold keys", "list"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_remedy(
    tmp_path: Path, text: str, place: str, remedy: str
) -> None:
    path = write(tmp_path, text)

    with pytest.raises(ConfigError) as fault:
        load_config(path)

    assert str(path) in str(fault.value)
    assert place in str(fault.value)
    assert remedy in str(fault.value)


def test_a_config_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read.*say --config"):
        load_config(Path("nowhere.yaml"))


def test_exports_given_by_hand_replace_the_paths_of_the_config(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, S0), ["other.csv"])

    assert config.data.paths == ("other.csv",)


def test_an_empty_section_is_the_default_one() -> None:
    assert parse_config({"power": None, "energy": {}}) == parse_config({})


def test_splits_of_any_size_join_the_two_known_ones() -> None:
    config = parse_config({"allocation": {"split_9": [3, 3, 3], "split_4": [1, 3]}})

    assert config.allocation.splits == {6: (3, 3), 4: (1, 3), 9: (3, 3, 3)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15min", 900_000),
        ("1 s", 1000),
        ("1.5h", 5_400_000),
        ("250ms", 250),
        ("1d", 86_400_000),
        (0, 0),
    ],
)
def test_durations_have_a_unit(text: object, expected: int) -> None:
    assert milliseconds(text) == expected


@pytest.mark.parametrize(
    ("unit", "positive", "watts"),
    [("kW", "discharge", 1e3), ("W", "charge", -1.0), ("MW", "charge", -1e6)],
)
def test_unit_and_sign_come_to_watts_with_plus_for_discharge(
    unit: str, positive: str, watts: float
) -> None:
    assert parse_config({"power": {"unit": unit, "positive": positive}}).power.watts == watts
