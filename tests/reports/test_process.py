"""`bess process`: an export through the pipeline without Kafka and Redis."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pytest

from replay.config import load_config
from replay.export import Batch, Export
from replay.sample import SampleSpec, write_sample
from stream_app.core.messages import PowerSamples
from stream_app.core.topology import PowerBlock, Rules
from stream_app.process import ProcessResult, process
from stream_app.reports.daily import daily_csv
from stream_app.reports.summary import summarise, without_energy

QUARTER_MS = 900_000
DAY_MS = 86_400_000
START_MS = 1_743_465_600_000  # 2025-04-01T00:00Z


@dataclass
class HandMade:
    """One block, its samples cut into batches."""

    samples: Sequence[PowerSamples]
    rules: Rules
    zone: str = "UTC"
    interval_ms: int = QUARTER_MS

    @property
    def blocks(self) -> list[PowerBlock]:
        inputs = {"1": {"E1": 0.5, "E2": 0.5}, "2": {"E3": 1.0}}
        return [PowerBlock("site", "INV", self.zone, inputs, self.rules)]

    def batches(self, rows: int) -> Iterator[Batch]:  # noqa: ARG002 - cut beforehand
        newest: int | None = None
        row = 0
        for each in self.samples:
            row += each.times.size
            newest = max(newest or 0, int(each.times.max()))
            yield Batch("hand-made", row, each.times, [("site/INV", each)], newest)


def at(times: Sequence[int], kilowatts: Sequence[float]) -> PowerSamples:
    power = np.array(kilowatts) * 1e3
    return PowerSamples(np.array(times, dtype=np.int64), {"1": power, "2": -power})


def run(source: HandMade | Export) -> ProcessResult:
    return process(source, lambda *_: None)


def quarters(count: int) -> list[int]:
    return [START_MS + n * QUARTER_MS for n in range(count)]


def test_a_day_of_constant_power_is_shared_by_the_enclosures_of_the_input() -> None:
    result = run(HandMade([at(quarters(96), [100.0] * 96)], Rules(method="left")))

    figures = [(d.enclosure, d.charged_kwh, d.discharged_kwh, d.coverage) for d in result.daily]
    assert figures == [
        ("E1", 0.0, 1200.0, 1.0),
        ("E2", 0.0, 1200.0, 1.0),
        ("E3", 2400.0, 0.0, 1.0),
    ]


def test_the_end_of_the_data_is_one_interval_after_the_last_row() -> None:
    result = run(HandMade([at(quarters(97), [100.0] * 97)], Rules(method="left")))

    coverage = {(d.date, d.enclosure): d.known_s for d in result.daily}
    assert coverage["2025-04-02", "E3"] == 900.0
    assert result.clock_ms == START_MS + DAY_MS


def test_everything_is_counted() -> None:
    times = [*quarters(4), START_MS + DAY_MS, START_MS]
    rows = [at(times, [1.0, 2.0, np.nan, 3.0, 4.0, 5.0])]

    result = run(HandMade(rows, Rules()))

    assert result.rows == 6
    assert result.samples == 10
    assert result.too_late == 2
    assert not result.refusals
    assert result.windows["1d"] == 6
    raised = {count.rule: (count.raised, count.standing) for count in result.alarms.rows()}
    assert raised["GAP"] == (2, 0)


def test_an_export_without_rows_has_no_day() -> None:
    result = run(HandMade([], Rules()))

    assert result.daily == []
    assert result.clock_ms is None


def test_progress_tells_row_and_event_time_of_each_batch() -> None:
    heard: list[tuple[int, int | None]] = []
    times = quarters(6)
    source = HandMade([at(times[:4], [1.0] * 4), at(times[4:], [1.0] * 2)], Rules())

    process(source, lambda row, clock_ms: heard.append((row, clock_ms)))

    assert heard == [(4, times[3]), (6, times[5])]


@dataclass
class Rebatched:
    """An export that is read in batches of another size."""

    export: Export
    size: int

    @property
    def blocks(self) -> list[PowerBlock]:
        return self.export.blocks

    @property
    def interval_ms(self) -> int:
        return self.export.interval_ms

    def batches(self, rows: int) -> Iterator[Batch]:  # noqa: ARG002 - of another size
        return self.export.batches(rows=self.size)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    spec = SampleSpec(start=date(2025, 4, 4), days=4, inverters=2)
    return Export.open(load_config(write_sample(tmp_path_factory.mktemp("sample"), spec).config))


@pytest.mark.parametrize("size", [1, 7, 500])
def test_the_table_does_not_depend_on_the_size_of_batches(export: Export, size: int) -> None:
    assert daily_csv(run(Rebatched(export, size)).daily) == daily_csv(run(export).daily)


def test_a_generated_station_has_energy_in_every_enclosure(export: Export) -> None:
    result = run(export)

    expected = [name for each in export.blocks for of in each.inputs.values() for name in of]
    summary = summarise(result.daily)
    assert without_energy([*expected, "unheard"], result.daily) == ["unheard"]
    assert len(summary.enclosures) == len(expected)
    assert (summary.first_day, summary.last_day) == ("2025-04-04", "2025-04-07")
    assert all(one.charged_w_ms > 0 for one in summary.enclosures)
    assert 0.9 < summary.coverage < 1
    assert summary.charged_w_ms == sum(day.charged_w_ms for day in result.daily)
