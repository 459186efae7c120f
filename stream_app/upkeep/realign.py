"""Telling a partition anew from where to fold, when its telemetry topic is not what it was."""

from dataclasses import dataclass
from typing import Literal

from stream_app.engine.position import Position
from stream_app.upkeep.owner import owner, show
from stream_app.upkeep.stores import Stores, UpkeepError

Where = Literal["start", "end"]


@dataclass(frozen=True)
class Realigned:
    """Offset that was next to fold, and the one that is now; the telemetry's bounds."""

    before: int
    after: int
    first: int
    end: int


async def realign(stores: Stores, number: int, to: Where) -> Realigned:
    """Set the telemetry offset that a partition's states go on from; no dead letter counts there.

    Raises
    ------
    UpkeepError
        There is no such partition, or workers run.
    """
    if number not in stores.numbers:
        raise UpkeepError(f"there is no partition {number}: they are 0 to {stores.numbers[-1]}")
    await stores.require_idle()
    telemetry, changelog = stores.telemetry(number), stores.state(number)
    first = (await stores.topics.beginnings([telemetry]))[telemetry]
    end = (await stores.topics.ends([telemetry], open_too=True))[telemetry]
    after = first if to == "start" else end
    async with owner(stores.client, stores.settings.app_id, changelog) as owned:
        kept = await stores.changelog(number)
        offsets = {**kept.position.offsets, telemetry.topic: after}
        shown = await stores.view.position(number)
        epoch = max(kept.position.epoch, shown.epoch)
        marks = {topic: m for topic, m in kept.position.marks.items() if topic != telemetry.topic}
        position = await owned.write({}, Position(None, offsets, epoch, marks=marks))
        await show(stores.view, number, position, kept.states)
    before = kept.position.offsets.get(telemetry.topic, 0)
    return Realigned(before, after, first, end)
