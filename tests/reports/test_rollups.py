"""`bess rollups`: windows unpacked from columnar records."""

import csv
import io
import json

import msgspec
import pytest

from schemas.results import QualityColumns, RollupRecord
from stream_app.reports.rollups import COLUMNS, Selection, Windows, csv_lines, json_lines

KWH = 3_600_000_000
QUARTER_MS = 900_000
START_MS = 1_743_465_600_000  # 2025-04-01T00:00Z

RUN = RollupRecord(
    v=1,
    id="north/INV/1/15min",
    site="north",
    block="INV",
    input="1",
    enclosures=["E10", "E2"],
    resolution="15min",
    final=True,
    start=[START_MS, START_MS + QUARTER_MS],
    end=[START_MS + QUARTER_MS, START_MS + 2 * QUARTER_MS],
    charged_w_ms=[KWH, 0],
    discharged_w_ms=[0, KWH // 3],
    net_w_ms=[-KWH, KWH // 3],
    error_bound_w_ms=[1800, 5400],
    coverage=[1.0, 0.333333],
    samples=[1, 2],
    revision=[1, 1],
    quality=QualityColumns(gaps=[0, 1]),
)


ALL = Selection()


def revised(**fields: object) -> RollupRecord:
    """The second window again."""
    second = {
        name: [getattr(RUN, name)[1]]
        for name in RUN.__struct_fields__
        if isinstance(getattr(RUN, name), list) and name != "enclosures"
    }
    return msgspec.structs.replace(RUN, **(second | {"quality": QualityColumns()} | fields))


def rows(*records: RollupRecord, selection: Selection = ALL) -> list[dict[str, str]]:
    windows = Windows(selection)
    for record in records:
        windows.add(record)
    return list(csv.DictReader(io.StringIO("".join(csv_lines(windows.rows())))))


def test_each_enclosure_and_window_has_a_line_in_natural_order() -> None:
    places = [(row["enclosure_id"], row["start"]) for row in rows(RUN)]

    assert places == [
        ("E2", "2025-04-01T00:00:00.000Z"),
        ("E2", "2025-04-01T00:15:00.000Z"),
        ("E10", "2025-04-01T00:00:00.000Z"),
        ("E10", "2025-04-01T00:15:00.000Z"),
    ]


def test_a_line_holds_the_figures_of_its_window() -> None:
    line = rows(RUN)[1]

    assert line == {
        "site": "north",
        "block": "INV",
        "enclosure_id": "E2",
        "resolution": "15min",
        "start": "2025-04-01T00:15:00.000Z",
        "end": "2025-04-01T00:30:00.000Z",
        "charged_kwh": "0.000000",
        "discharged_kwh": "0.333333",
        "coverage": "0.333333",
        "net_kwh": "0.333333",
        "error_bound_kwh": "0.000002",
        "samples": "2",
        "gaps": "1",
        "outside_rating": "0",
        "frozen": "0",
        "conflicts": "0",
        "revision": "1",
        "final": "true",
    }


@pytest.mark.parametrize("newest_first", [True, False])
def test_the_highest_revision_holds_whatever_came_last(newest_first: bool) -> None:
    newer = revised(revision=[2], discharged_w_ms=[2 * KWH], final=False)
    records = [newer, RUN] if newest_first else [RUN, newer]

    second = rows(*records)[1]

    assert (second["revision"], second["discharged_kwh"], second["final"]) == (
        "2",
        "2.000000",
        "false",
    )


@pytest.mark.parametrize(
    ("selection", "lines"),
    [
        (Selection(), 4),
        (Selection(site="north"), 4),
        (Selection(site="south"), 0),
        (Selection(enclosure="E2"), 2),
        (Selection(enclosure="E3"), 0),
        (Selection(since=START_MS + 1), 2),
        (Selection(since=START_MS), 4),
        (Selection(until=START_MS), 0),
        (Selection(until=START_MS + 1), 2),
        (Selection(enclosure="E10", since=START_MS, until=START_MS + QUARTER_MS), 1),
    ],
)
def test_only_the_wanted_windows_are_kept(selection: Selection, lines: int) -> None:
    assert len(rows(RUN, selection=selection)) == lines


def test_an_enclosure_that_moved_to_another_input_has_one_line_a_window() -> None:
    moved = revised(input="2", enclosures=["E2"], revision=[2], samples=[9])

    samples = [row["samples"] for row in rows(RUN, moved) if row["enclosure_id"] == "E2"]

    assert samples == ["1", "9"]


def test_json_lines_have_the_same_figures_as_numbers() -> None:
    windows = Windows()
    windows.add(RUN)

    lines = [json.loads(line) for line in json_lines(windows.rows())]

    assert tuple(lines[1]) == COLUMNS
    assert lines[1]["discharged_kwh"] == 0.333333
    assert lines[1]["final"] is True
    assert [{k: _text(v) for k, v in line.items()} for line in lines] == [
        {k: _text(_number(v)) for k, v in row.items()} for row in rows(RUN)
    ]


def _number(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(value: object) -> str:
    return str(float(value)) if isinstance(value, int | float) else str(value)
