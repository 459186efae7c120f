"""Bringing a backup back: into Redis, or into a changelog that was lost."""

from collections.abc import Callable
from dataclasses import replace

from stream_app.engine.position import Position
from stream_app.upkeep.backup import Backup, Copy
from stream_app.upkeep.owner import Owner, owner, show
from stream_app.upkeep.stores import Kept, Stores, UpkeepError

Step = Callable[[], None]


async def into_redis(stores: Stores, backup: Backup, on_step: Step, *, force: bool) -> None:
    """Make Redis show the backup; workers then apply what the changelog has after it.

    Nothing is changed unless all partitions can be restored.

    Raises
    ------
    UpkeepError
        Workers run; or Redis shows newer states and ``force`` is not given; or the changelog is not
        the one that the backup stands in.
    """
    await _require_own(stores, backup)
    for copy in backup.copies:
        await _check_view(stores, copy, force=force)
        await _check_log(stores, copy)
    for copy in backup.copies:
        await show(stores.view, copy.number, copy.position, copy.states)
        on_step()


async def into_changelog(stores: Stores, backup: Backup, on_step: Step, *, force: bool) -> None:
    """Append the backup to the changelog and make Redis show it; workers fold on from there.

    Raises
    ------
    UpkeepError
        Workers run; or the changelog has states that the backup does not know; or it has folded
        more than the backup and ``force`` is not given.
    """
    await _require_own(stores, backup)
    for copy in backup.copies:
        _check_kept(copy, await stores.changelog(copy.number), force=force)
    for copy in backup.copies:
        tp = stores.state(copy.number)
        async with owner(stores.client, stores.settings.app_id, tp) as owned:
            await _append(stores, owned, copy, force=force)
        on_step()


async def _append(stores: Stores, owned: Owner, copy: Copy, *, force: bool) -> None:
    kept = await stores.changelog(copy.number)
    _check_kept(copy, kept, force=force)
    shown = await stores.view.position(copy.number)
    epoch = max(copy.epoch, kept.position.epoch, shown.epoch)
    position = await owned.write(copy.states, replace(copy.position, epoch=epoch))
    await show(stores.view, copy.number, position, copy.states)


async def _require_own(stores: Stores, backup: Backup) -> None:
    settings = stores.settings
    if backup.app_id != settings.app_id:
        raise UpkeepError(f"the backup is of {backup.app_id}, not {settings.app_id}: BESS_PREFIX")
    if backup.partitions != settings.partitions:
        raise UpkeepError(
            f"the backup is of {backup.partitions} partitions, the settings say "
            f"{settings.partitions}: restore it with BESS_PARTITIONS={backup.partitions}, then see "
            "`bess state repartition`"
        )
    await stores.require_idle()


async def _check_view(stores: Stores, copy: Copy, *, force: bool) -> None:
    shown = (await stores.view.position(copy.number)).changelog
    if not force and shown is not None and shown > copy.changelog:
        raise UpkeepError(
            f"partition {copy.number} in Redis is newer (changelog offset {shown}) than the backup "
            f"({copy.changelog}): --force sets it back, and workers bring it up again"
        )


async def _check_log(stores: Stores, copy: Copy) -> None:
    tp = stores.state(copy.number)
    first = (await stores.topics.beginnings([tp]))[tp]
    end = (await stores.topics.ends([tp], open_too=True))[tp]
    if copy.changelog > end or await stores.confirms(copy.number, copy.position) is False:
        raise UpkeepError(
            f"the backup of partition {copy.number} stands at changelog offset {copy.changelog}, "
            f"but {tp.topic} ends at {end} or has other records there: it was made anew; use "
            "--into-changelog"
        )
    if copy.changelog < first:
        raise UpkeepError(
            f"the backup of partition {copy.number} stands at changelog offset {copy.changelog}, "
            f"{tp.topic} begins at {first}: what lies between is missing; workers rebuild Redis "
            "from the changelog without a backup"
        )


def _check_kept(copy: Copy, kept: Kept, *, force: bool) -> None:
    unknown = kept.states.keys() - copy.states.keys()
    if unknown:
        raise UpkeepError(
            f"the changelog of partition {copy.number} has {len(unknown)} states that the backup "
            f"does not, as {min(unknown).decode(errors='replace')}: delete the state topic, run "
            "`bess topics create`, and import again"
        )
    if not force and (newer := _newer(kept.position, copy)):
        raise UpkeepError(
            f"the changelog of partition {copy.number} has folded {newer}, more than the backup: "
            "--force goes back, and what was folded since is folded and published again"
        )


def _newer(position: Position, copy: Copy) -> str | None:
    for topic, offset in position.offsets.items():
        if offset > copy.offsets.get(topic, 0):
            return f"{topic} up to {offset} (backup {copy.offsets.get(topic, 0)})"
    return None
