"""What the stream produced for one site."""

import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
from aiokafka import ConsumerRecord

from schemas import topics as contract
from schemas.results import AlarmRecord, DailyRecord, RollupRecord, TooLateRecord
from schemas.telemetry import TopologyRecord
from schemas.topics import Topic
from stream_app.reading import StreamError, Topics
from stream_app.reports.alarms import AlarmTally
from stream_app.reports.daily import newest

R = TypeVar("R")


class _Site(msgspec.Struct):
    """Whose a record is: of a battery or a meter it is nothing that a report needs."""

    site: str
    system: str | None = None
    meter: str | None = None


_site = msgspec.json.Decoder(_Site)
_daily = msgspec.json.Decoder(DailyRecord)
_alarm = msgspec.json.Decoder(AlarmRecord)
_rollup = msgspec.json.Decoder(RollupRecord)
_too_late = msgspec.json.Decoder(TooLateRecord)
_topology = msgspec.json.Decoder(TopologyRecord)


@dataclass
class StationResults:
    """Daily records (newest revisions), enclosures of the newest topology, and alarms of a site.

    ``too_late`` counts the samples that came too late, by reason.
    """

    daily: list[DailyRecord] = field(default_factory=list)
    enclosures: set[str] = field(default_factory=set)
    alarms: AlarmTally = field(default_factory=AlarmTally)
    too_late: Counter[str] = field(default_factory=Counter)


@dataclass
class SiteReader:
    """Reads the records of one site from the topics of a deployment.

    Attributes
    ----------
    open_too
        Wait for transactions that are open now.
    on_record
        Told the number of records of each batch read.
    """

    topics: Topics
    prefix: str
    site: str
    open_too: bool
    on_record: Callable[[int], None]
    sites: set[str] = field(default_factory=set)

    async def results(self) -> StationResults:
        """Read what a report needs.

        Raises
        ------
        StreamError
            A topic is missing, the site has no daily record, or a record cannot be read.
        """
        daily = await self.daily()
        if not daily:
            raise StreamError(self._no_record())
        results = StationResults(daily, await self._enclosures())
        async for alarm in self._records(contract.ALARMS, _alarm):
            results.alarms.add_all([alarm])
        async for late in self._records(contract.TOO_LATE, _too_late):
            results.too_late[late.reason or "no reason told"] += len(late.t)
        return results

    async def daily(self) -> list[DailyRecord]:
        """Newest revision of each enclosure and day."""
        return newest([_lean(each) async for each in self._records(contract.DAILY, _daily)])

    async def _enclosures(self) -> set[str]:
        newest_of = {each.block: each async for each in self._records(contract.TOPOLOGY, _topology)}
        return {
            name
            for each in newest_of.values()
            for shares in each.inputs.values()
            for name in shares
        }

    async def _records(self, topic: Topic, decoder: msgspec.json.Decoder[R]) -> AsyncIterator[R]:
        name = topic.name(self.prefix)
        async for batch in self.topics.read(name, open_too=self.open_too):
            self.on_record(len(batch))
            for record in batch:
                if record.value is not None and self._is_of_site(record):
                    yield read_record(record, decoder)

    def _is_of_site(self, record: ConsumerRecord) -> bool:
        of = read_record(record, _site)
        if of.system is not None or of.meter is not None:
            return False
        self.sites.add(of.site)
        return of.site == self.site

    def _no_record(self) -> str:
        known = ", ".join(sorted(self.sites))
        topic = contract.DAILY.name(self.prefix)
        if not known:
            return f"topic {topic} holds no daily energy yet: run `bess replay` and `bess worker`"
        return f"topic {topic} has no site {self.site!r}; it has {known}: see `site` in the config"


async def read_rollups(topics: Topics, topic: str) -> AsyncIterator[RollupRecord]:
    """Read all committed records of a rollup topic.

    Raises
    ------
    StreamError
        The topic is missing, or a record cannot be read.
    """
    async for batch in topics.read(topic, open_too=False):
        for record in batch:
            yield read_record(record, _rollup)


def _lean(day: DailyRecord) -> DailyRecord:
    """Let equal texts of many records be one: a third of their memory."""
    for name in ("site", "block", "input", "enclosure", "date", "start", "end"):
        setattr(day, name, sys.intern(getattr(day, name)))
    return day


def read_record(record: ConsumerRecord, decoder: msgspec.json.Decoder[R]) -> R:
    """Decode one record of a results topic.

    Raises
    ------
    StreamError
        The value is not such a record; names its place.
    """
    try:
        return decoder.decode(record.value)
    except msgspec.MsgspecError as fault:
        place = f"{record.topic}/{record.partition} offset {record.offset}"
        raise StreamError(f"the record at {place} cannot be read: {fault}") from fault
