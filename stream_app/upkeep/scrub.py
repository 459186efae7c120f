"""Comparing Redis with the changelog, and clearing what differs."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stream_app.engine.changelog import contradicts
from stream_app.engine.view import DamagedViewError, differences
from stream_app.upkeep.stores import Kept, Stores, UpkeepError

NOTHING = "Redis shows nothing of it"
SETTLING_S = 2.0


@dataclass(frozen=True)
class Scrubbed:
    """A partition that was compared.

    Attributes
    ----------
    states
        How many states the changelog has of it.
    wrong
        What differs, a line each; empty where Redis is as it must be.
    only_copy
        Whether the changelog is another one than Redis was filled from, or lost its end: what Redis
        has is nowhere else.
    """

    number: int
    states: int
    wrong: Sequence[str] = ()
    only_copy: bool = False


async def scrub(stores: Stores, number: int) -> Scrubbed:
    """Compare a partition in Redis with the changelog up to the position that Redis shows.

    What a worker commits meanwhile lies behind that position and is not looked at.
    """
    found = await _scrub(stores, number)
    if found.wrong == [NOTHING]:
        # The first commit of a partition may be on its way from Kafka to Redis.
        await asyncio.sleep(SETTLING_S)
        found = await _scrub(stores, number)
    return found


async def _scrub(stores: Stores, number: int) -> Scrubbed:
    try:
        shown, damage = Kept(*await stores.view.read(number)), None
    except DamagedViewError as found:
        shown, damage = Kept(await stores.view.position(number), {}), str(found)
    tp = stores.state(number)
    end = (await stores.topics.ends([tp], open_too=True))[tp]
    at = shown.position.changelog
    if at is not None and at > end:
        what = f"Redis shows changelog offset {at}, but {tp.topic} ends at {end}"
        return Scrubbed(number, 0, [what], only_copy=True)
    if at is not None and not damage and await contradicts(stores.client, tp, shown.position):
        what = f"the changelog has not the position that Redis shows: {shown.position}"
        return Scrubbed(number, 0, [what], only_copy=True)
    true = await stores.changelog(number, end if at is None else at)
    if damage:
        wrong = [damage]
    elif at is None:
        wrong = [NOTHING] if true.states else []
    else:
        wrong = await _compare(stores, number, shown, true, end)
    return Scrubbed(number, len(true.states), wrong)


async def clear(stores: Stores, found: Sequence[Scrubbed]) -> None:
    """Clear partitions in Redis, for the next owner to rebuild them from the changelog.

    Raises
    ------
    UpkeepError
        Workers run: they put right what they own themselves. Or Redis has the only copy.
    """
    await stores.require_idle()
    kept = [str(each.number) for each in found if each.only_copy]
    if kept:
        raise UpkeepError(
            f"nothing is cleared: of partition {', '.join(kept)} only Redis has the states; keep "
            "them with `bess state export FILE`, then write them to the changelog with "
            "`bess state import FILE --into-changelog`"
        )
    for each in found:
        await stores.view.clear(each.number)


async def _compare(stores: Stores, number: int, shown: Kept, true: Kept, end: int) -> list[str]:
    if await stores.confirms(number, shown.position):
        return _differences(shown.states, true.states)
    # The position is compacted away: only what was not written again since can be compared.
    later = await stores.changed_since(number, shown.position, end)
    whole = await stores.changelog(number, end)
    return _differences(_without(shown.states, later), _without(whole.states, later))


def _without(states: Mapping[bytes, bytes], keys: set[bytes]) -> dict[bytes, bytes]:
    return {key: value for key, value in states.items() if key not in keys}


def _differences(shown: Mapping[bytes, bytes], true: Mapping[bytes, bytes]) -> list[str]:
    return [
        f"{key.decode(errors='replace')} {_how(key, shown, true)}"
        for key in differences(shown, true)
    ]


def _how(key: bytes, shown: Mapping[bytes, bytes], true: Mapping[bytes, bytes]) -> str:
    if key not in shown:
        return "is missing in Redis"
    return "differs" if key in true else "is not in the changelog"
