"""What the pipeline gives out, as records."""

import msgspec
import pytest

from schemas import topics
from schemas.results import AlarmRecord, DailyRecord, FindingRecord, RollupRecord, TooLateRecord
from stream_app.codec.results import LONGEST_RUN, Output, days, encode_outputs, iso
from stream_app.core.messages import EndOfData, Outputs
from stream_app.core.topology import Rules
from tests.unit.blocks import MINUTE, NAN, START, Plant, block, power

RULES = Rules(method="left", rating_w=500_000)


def outputs() -> Outputs:
    """Half an hour with a crossing, a sample outside the rating and one too late."""
    plant = Plant(block(RULES, zone="Australia/Sydney"))
    rows = power([0, 15, 30, 10], i1=[600, -400, 300, 1], i2=[NAN] * 4)
    result = plant.feed(rows)
    result.extend(plant.feed(EndOfData(START + 45 * MINUTE)))
    return result


def of(topic: topics.Topic) -> list[Output]:
    return [each for each in encode_outputs(outputs()) if each.topic == topic]


def test_a_run_of_windows_is_one_record_in_columns() -> None:
    closed, preview = (
        msgspec.json.decode(each.value, type=RollupRecord) for each in of(topics.ROLLUPS["15min"])
    )

    assert closed.id == "north/1APCS1/1/15min"
    assert closed.enclosures == ["A1", "A2"]
    assert closed.start == [START, START + 15 * MINUTE]
    assert closed.discharged_w_ms == [270_000_000_000, 0]
    assert closed.charged_w_ms == [0, 180_000_000_000]
    assert closed.net_w_ms == [270_000_000_000, -180_000_000_000]
    assert (closed.coverage, closed.samples, closed.revision) == ([1.0, 1.0], [1, 1], [1, 1])
    assert closed.quality.outside_rating == [1, 0]
    assert closed.quality.gaps is None
    assert (closed.final, preview.final) == (True, False)
    assert preview.start == [START + 30 * MINUTE]


def test_the_bound_of_left_is_the_whole_rise_of_the_interval() -> None:
    closed = msgspec.json.decode(of(topics.ROLLUPS["15min"])[0].value, type=RollupRecord)

    assert closed.error_bound_w_ms == [450_000_000_000, 315_000_000_000]


def test_a_day_is_a_record_for_each_enclosure_keyed_so_that_the_newest_is_kept() -> None:
    first, second = of(topics.DAILY)

    record = msgspec.json.decode(first.value, type=DailyRecord)
    assert (first.key, second.key) == (b"north/A1/2025-04-01", b"north/A2/2025-04-01")
    assert record.id == "north/A1/2025-04-01/r1"
    assert (record.start, record.end) == ("2025-03-31T13:00:00.000Z", "2025-04-01T13:00:00.000Z")
    assert first.time == START - 11 * 60 * MINUTE
    assert (record.discharged_kwh, record.charged_kwh, record.net_kwh) == (112.5, 50.0, 62.5)
    assert record.net_w_ms == record.discharged_w_ms - record.charged_w_ms
    assert record.error_bound_kwh == 125.0
    assert (record.known_s, record.coverage) == (2700.0, 0.03125)
    assert (record.samples, record.revision, record.final) == (3, 1, False)
    assert record.quality.outside_rating == 1


def test_the_days_of_a_rollup_are_its_daily_records() -> None:
    [rollup] = [each for each in outputs().rollups if each.resolution == "1d"]

    assert [each.enclosure for each in days(rollup)] == ["A1", "A2"]


def test_an_alarm_is_a_cloud_event() -> None:
    raised, cleared = of(topics.ALARMS)

    record = msgspec.json.decode(raised.value, type=AlarmRecord)
    headers = dict(raised.headers)
    assert (record.rule, record.state, record.priority) == (
        "POWER_OUTSIDE_RATING",
        "raised",
        "medium",
    )
    assert (record.time, record.value, record.unit) == ("2025-04-01T00:00:00.000Z", 600_000.0, "W")
    assert headers["ce_id"] == record.id.encode()
    assert headers["ce_type"] == b"bess.alarm.raised.v1"
    assert dict(cleared.headers)["ce_type"] == b"bess.alarm.cleared.v1"
    assert {"ce_specversion", "ce_source", "ce_time", "ce_subject"} <= headers.keys()


def test_a_condition_that_ended_is_a_finding_with_its_span() -> None:
    [finding] = of(topics.FINDINGS)

    record = msgspec.json.decode(finding.value, type=FindingRecord)
    assert (record.since, record.until) == ("2025-04-01T00:00:00.000Z", "2025-04-01T00:15:00.000Z")
    assert record.seconds == 900


def test_late_samples_go_out_as_they_came() -> None:
    [late] = of(topics.TOO_LATE)

    record = msgspec.json.decode(late.value, type=TooLateRecord)
    assert (record.t, record.dc_power_w) == ([START + 10 * MINUTE], [1000.0])


def test_the_same_input_gives_the_same_bytes() -> None:
    assert list(encode_outputs(outputs())) == list(encode_outputs(outputs()))


@pytest.mark.parametrize(
    ("instant", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (START + 1, "2025-04-01T00:00:00.001Z")],
)
def test_times_for_people_are_iso_8601_in_utc(instant: int, text: str) -> None:
    assert iso(instant) == text


def test_many_late_samples_go_into_records_of_bounded_size() -> None:
    plant = Plant(block(Rules(correction_ms=0)))
    plant.feed(power([10_000, 10_015], i1=[1, 1]))

    outputs = plant.feed(power(range(LONGEST_RUN + 1), i1=[1.0] * (LONGEST_RUN + 1)))

    values = [each.value for each in encode_outputs(outputs) if each.topic == topics.TOO_LATE]
    records = [msgspec.json.decode(value, type=TooLateRecord) for value in values]
    assert [len(each.t) for each in records] == [LONGEST_RUN, 1]
    assert records[1].t == [START + LONGEST_RUN * MINUTE]
