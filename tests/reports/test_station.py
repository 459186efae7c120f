"""The results of one site, read from the topics."""

import asyncio

import msgspec
import pytest

from schemas.results import TooLateRecord
from schemas.results_battery import LateRowsRecord
from schemas.topics import ALARMS, DAILY, TOO_LATE, TOPOLOGY
from stream_app.codec.telemetry import topology_record
from stream_app.core.topology import PowerBlock
from stream_app.reading import StreamError
from stream_app.reports.station import SiteReader, StationResults
from tests.reports.days import make_day
from tests.reports.stream import Deployment
from tests.reports.test_alarms import RAISED
from tests.schemas.examples import FOLDER

pytestmark = pytest.mark.kafka


@pytest.fixture
async def deployment(brokers: str, prefix: str) -> Deployment:
    return await Deployment.create(brokers, prefix)


async def read(
    deployment: Deployment, site: str = "Cotswold", *, open_too: bool = False
) -> StationResults:
    async with deployment.topics() as topics:
        counted: list[int] = []
        prefix = deployment.settings.prefix
        return await SiteReader(topics, prefix, site, open_too, counted.append).results()


def topology(block: str, *enclosures: str) -> tuple[object, bytes, object]:
    shares = {name: 1 / len(enclosures) for name in enclosures}
    record = topology_record(PowerBlock("Cotswold", block, "UTC", {"1": shares}))
    return TOPOLOGY, f"Cotswold/{block}".encode(), record


async def test_a_site_gets_its_own_records_newest_revision_and_topology(
    deployment: Deployment,
) -> None:
    await deployment.publish(
        [
            (DAILY, b"1", make_day(revision=1)),
            (DAILY, b"2", make_day(site="Thames")),
            (DAILY, b"1", make_day(revision=2)),
            topology("1", "old"),
            topology("1", "1A1BAT1", "1A1BAT2"),
            topology("2", "1A2BAT1"),
            (ALARMS, b"1", RAISED),
            (ALARMS, b"1", msgspec.structs.replace(RAISED, id="7", site="Cotswold")),
        ]
    )

    results = await read(deployment)

    assert [(day.site, day.revision) for day in results.daily] == [("Cotswold", 2)]
    assert results.enclosures == {"1A1BAT1", "1A1BAT2", "1A2BAT1"}
    assert [(count.rule, count.raised) for count in results.alarms.rows()] == [("GAP", 1)]


async def test_samples_that_came_too_late_are_counted_by_their_reason(
    deployment: Deployment,
) -> None:
    late = TooLateRecord(1, "Cotswold", "1", "1", [1, 2], [0.0, 0.0], "no_gap")
    others = msgspec.structs.replace(late, site="Thames")
    before_reasons = msgspec.structs.replace(late, t=[3], reason=None)
    records = [(TOO_LATE, b"1", each) for each in (late, late, others, before_reasons)]
    await deployment.publish([(DAILY, b"1", make_day()), *records])

    assert (await read(deployment)).too_late == {"no_gap": 4, "no reason told": 1}


async def test_alarms_and_late_rows_of_batteries_and_meters_are_not_those_of_the_station(
    deployment: Deployment,
) -> None:
    rows = LateRowsRecord(1, "Cotswold", None, None, "m1", [1, 2], "late")
    alarm = msgspec.json.decode((FOLDER / "BatteryAlarmRecord.json").read_bytes())
    of_battery = alarm | {"site": "Cotswold"}
    await deployment.publish(
        [
            (DAILY, b"1", make_day()),
            (TOO_LATE, b"1", rows),
            (ALARMS, b"1", msgspec.json.encode(of_battery)),
        ]
    )

    results = await read(deployment)

    assert results.too_late == {}
    assert results.alarms.rows() == []


async def test_a_site_without_records_is_told_the_sites_that_have_some(
    deployment: Deployment,
) -> None:
    days = [make_day(site="Thames"), make_day(site="Yorkshire")]
    await deployment.publish([(DAILY, b"1", day) for day in days])

    with pytest.raises(StreamError, match="has no site 'Cotswold'; it has Thames, Yorkshire"):
        await read(deployment)


async def test_an_empty_topic_names_the_commands_that_fill_it(deployment: Deployment) -> None:
    with pytest.raises(StreamError, match="holds no daily energy yet: run `bess replay`"):
        await read(deployment)


async def test_a_record_that_cannot_be_read_is_named_with_its_place(
    deployment: Deployment,
) -> None:
    await deployment.publish([(DAILY, b"1", make_day()), (DAILY, b"1", b'{"site": "Cotswold"}')])

    with pytest.raises(StreamError, match=r"energy\.daily\.v1/\d offset 1 cannot be read: .*`v`"):
        await read(deployment)


async def test_what_is_not_committed_is_not_reported(deployment: Deployment) -> None:
    await deployment.publish([(DAILY, b"1", make_day(revision=1))])
    async with deployment.producer("other") as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(deployment.name(DAILY), b"not even JSON", key=b"1")

        assert [day.revision for day in (await read(deployment)).daily] == [1]

        await producer.abort_transaction()
    assert [day.revision for day in (await read(deployment)).daily] == [1]


async def test_results_whose_commit_is_on_its_way_are_waited_for(deployment: Deployment) -> None:
    await deployment.publish([(DAILY, b"1", make_day(revision=1))])
    async with deployment.producer("worker") as producer:
        await producer.begin_transaction()
        newer = msgspec.json.encode(make_day(revision=2))
        await producer.send_and_wait(deployment.name(DAILY), newer, key=b"1")
        reading = asyncio.create_task(read(deployment, open_too=True))
        done, _ = await asyncio.wait([reading], timeout=2)
        assert not done
        await producer.commit_transaction()

    assert [day.revision for day in (await reading).daily] == [2]
