"""The picture discharged_heatmap.png."""

import io
import subprocess
import sys
import warnings
from datetime import date, timedelta

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest

from schemas.results import DailyRecord
from stream_app.reports.grid import day_ticks, enclosure_ticks, grid
from stream_app.reports.heatmap import heatmap_png
from tests.reports.days import make_day

KWH = 3_600_000_000
FIRST = date(2025, 1, 1)


def station(enclosures: int, days: int) -> list[DailyRecord]:
    return [
        make_day(
            f"1A{n // 6}BAT{n % 6 + 1}",
            str(FIRST + timedelta(days=day)),
            block=f"1APCS{n // 6}",
            discharged_w_ms=(1000 + 7 * n + day) * KWH,
        )
        for day in range(days)
        for n in range(enclosures)
    ]


@pytest.mark.parametrize(("enclosures", "days"), [(1, 1), (4, 1), (4, 3), (30, 31)])
def test_equal_records_give_equal_bytes_whatever_the_user_has_configured(
    enclosures: int, days: int
) -> None:
    records = station(enclosures, days)
    first = heatmap_png(records)

    with mpl.rc_context({"font.size": 30, "image.cmap": "jet", "text.color": "red"}):
        second = heatmap_png(records)

    assert first == second


def test_the_picture_says_neither_when_nor_by_what_it_was_made() -> None:
    png = heatmap_png(station(4, 2))

    assert png.startswith(b"\x89PNG")
    assert not [chunk for chunk in (b"tEXt", b"iTXt", b"tIME", b"zTXt") if chunk in png]


def test_another_energy_gives_another_picture() -> None:
    records = station(4, 2)
    more = [*records[:-1], make_day("1A0BAT4", "2025-01-02", discharged_w_ms=1)]

    assert heatmap_png(records) != heatmap_png(more)


def test_an_unknown_day_is_grey_and_an_idle_day_is_dark() -> None:
    idle = make_day("A1", "2025-04-01")
    busy = make_day("A1", "2025-04-03", discharged_w_ms=KWH)
    unknown = make_day("A1", "2025-04-02", coverage=0.0)

    def middle(records: list[DailyRecord]) -> np.ndarray:
        pixels = mpl.image.imread(io.BytesIO(heatmap_png(records)))
        return pixels[pixels.shape[0] // 2, : pixels.shape[1] // 2, :3]

    def greys(pixels: np.ndarray) -> int:
        return int((np.ptp(pixels, axis=1) < 0.01).sum() - (pixels.min(axis=1) > 0.99).sum())

    with_idle = middle([idle, make_day("A1", "2025-04-02"), busy])
    with_unknown = middle([idle, unknown, busy])
    assert greys(with_unknown) > greys(with_idle) + 50


@pytest.mark.parametrize(
    "missing", [[make_day(coverage=0.0)], [make_day(), make_day("B", "2025-04-09")]]
)
def test_idle_and_unknown_days_are_no_fault(missing: list[DailyRecord]) -> None:
    assert heatmap_png(missing)


@pytest.mark.parametrize("name", ["$x_1$", "a$b", r"\frac{1}", "Gehäuse 1", "_", ""])
def test_names_are_shown_as_they_are(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert heatmap_png([make_day(name, site=name)])


def test_no_record_is_refused() -> None:
    with pytest.raises(ValueError, match="no daily energy"):
        heatmap_png([])


def test_days_without_a_record_are_unknown() -> None:
    laid = grid([make_day("A1", "2025-04-01", discharged_w_ms=KWH), make_day("A2", "2025-04-03")])

    np.testing.assert_array_equal(
        laid.discharged_kwh, [[1.0, np.nan, np.nan], [np.nan, np.nan, 0.0]]
    )
    np.testing.assert_array_equal(laid.coverage, [[1, 0, 0], [0, 0, 1]])
    assert [str(day) for day in laid.days] == ["2025-04-01", "2025-04-02", "2025-04-03"]


@pytest.mark.parametrize(
    ("days", "labels", "first"),
    [
        (1, 1, (0, "1 Jan")),
        (16, 16, (0, "1 Jan")),
        (17, 2, (5, "6 Jan")),
        (112, 16, (5, "6 Jan")),
        (366, 13, (0, "Jan 2025")),
        (3660, 18, (0, "Jan 2025")),
    ],
)
def test_there_is_room_for_every_day_label(days: int, labels: int, first: tuple[int, str]) -> None:
    ticks = day_ticks([FIRST + timedelta(days=n) for n in range(days)])

    assert ticks[0] == first
    assert len(ticks) <= labels
    assert len(ticks) >= labels // 2


@pytest.mark.parametrize(
    ("enclosures", "room", "labels"),
    [(4, 10, ["1A0BAT1", "1A0BAT2", "1A0BAT3", "1A0BAT4"]), (12, 10, ["1A0BAT1", "1A1BAT1"])],
)
def test_where_room_is_short_the_first_of_each_block_is_labelled(
    enclosures: int, room: int, labels: list[str]
) -> None:
    ticks = enclosure_ticks(grid(station(enclosures, 1)), room)

    assert [name for _, name in ticks] == labels


LARGEST = """
import re, pathlib
from tests.reports.test_heatmap import station
from stream_app.reports.heatmap import heatmap_png
records = station(432, 366)
heatmap_png(records)
# Not getrusage: its peak counts the process that started this one.
print(re.search("VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_a_year_of_the_largest_station_takes_less_than_500_mb() -> None:
    run = subprocess.run(
        [sys.executable, "-c", LARGEST], capture_output=True, text=True, check=True, timeout=120
    )

    assert int(run.stdout) < 500_000
