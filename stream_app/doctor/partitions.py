"""Whether telemetry, changelog, consumer group and Redis tell the same story of each partition."""

from collections.abc import Iterator, Sequence

from schemas.topics import TELEMETRY
from stream_app.doctor.facts import KafkaFacts, PartitionFacts
from stream_app.doctor.findings import Finding, fault, unless_found, warning
from stream_app.doctor.keys import check_keys
from stream_app.engine.position import behind
from stream_app.engine.publisher import TRANSACTION_TIMEOUT_MS
from stream_app.group import Group

HANGING_S = 2 * TRANSACTION_TIMEOUT_MS / 1000
"""Brokers end a transaction within its time-out and a little."""
_KEEP = "stop the workers; bess state export FILE, then bess state import FILE --into-changelog"
UNFOLDED = 0.5
"""Part of what a partition keeps that may wait, where the broker deletes by size."""


def check_partitions(partitions: Sequence[PartitionFacts], kafka: KafkaFacts) -> list[Finding]:
    """Findings on the partitions."""
    if not partitions:
        return []
    count = next(each.partitions for each in kafka.topics if each.topic is TELEMETRY)
    group, kept = kafka.group, _retention_bytes(kafka)
    return [
        *unless_found(
            (found for each in partitions for found in (*_source(each), *_retention(each, kept))),
            "telemetry",
            _lag(partitions),
        ),
        *unless_found(
            (*_unshown(partitions), *(f for each in partitions for f in _view(each, group))),
            "view",
            f"what Redis shows agrees with the changelog in all {len(partitions)} partitions",
        ),
        *check_keys({each.number: each.keys for each in partitions}, count),
        *(found for each in partitions for found in _group(each, group)),
        *(found for each in partitions for found in _transactions(each)),
    ]


def _retention_bytes(kafka: KafkaFacts) -> int | None:
    """Size at which the broker deletes of a telemetry partition [bytes]; None: it does not."""
    (config,) = (each.config for each in kafka.topics if each.topic is TELEMETRY)
    size = int(config.get("retention.bytes") or -1)
    return size if size >= 0 else None


def lag(each: PartitionFacts) -> int:
    """Telemetry records not folded yet, about: markers of transactions count."""
    return behind(max(each.folded or 0, each.telemetry.first), each.telemetry.stable)


def _lag(partitions: Sequence[PartitionFacts]) -> str:
    records = sum(map(lag, partitions))
    if not records:
        return "all of it is folded"
    parts = sum(1 for each in partitions if lag(each))
    return f"about {records:,} records are still to fold, in {parts} partitions"


def _source(each: PartitionFacts) -> Iterator[Finding]:
    folded = each.folded
    if folded is None:
        return
    if folded > each.telemetry.end:
        yield fault(
            "telemetry",
            f"partition {each.number}: folded to {folded}, but it ends at {each.telemetry.end}",
            "the topic was made anew or lost its end: new records there would not be folded",
            f"stop the workers, then bess state realign --partition {each.number} --to start|end",
        )
    elif folded < each.telemetry.first:
        lost = each.telemetry.first - folded
        yield fault(
            "telemetry",
            f"partition {each.number}: offsets {folded} to {each.telemetry.first} ({lost:,}) "
            "were deleted before they were folded",
            "what they held is missing from the results",
            "bess topics check --repair (retention.ms=-1), then days of power again: bess replay "
            "--correct; of batteries and meters see docs/runbooks/BessRecordsLost.md",
        )


def _retention(each: PartitionFacts, size: int | None) -> Iterator[Finding]:
    """A partition that deletes by size and has deleted is full: what waits in it may go next."""
    held = each.telemetry.stable - each.telemetry.first
    waits = lag(each)
    if size is not None and each.telemetry.first > 0 and waits > UNFOLDED * held:
        yield warning(
            "telemetry",
            f"partition {each.number}: {waits:,} of the {held:,} records that it keeps wait to be "
            f"folded, and retention.bytes is {size:,}",
            "it has been full before: the broker deletes the oldest, folded or not",
            "start workers, or set retention.bytes=-1 on the telemetry topic until they are done",
        )


def _unshown(partitions: Sequence[PartitionFacts]) -> Iterator[Finding]:
    """Partitions of which Redis shows nothing: an emptied Redis, or new topics, have many."""
    numbers = [
        each.number
        for each in partitions
        if each.shown is None and each.state.end > each.state.first and not each.damage
    ]
    if len(numbers) == 1:
        yield _rebuilt(f"partition {numbers[0]}: Redis shows nothing of it")
    elif numbers:
        every = "all" if len(numbers) == len(partitions) else f"{len(numbers)} of"
        yield _rebuilt(f"Redis shows nothing of {every} {len(partitions)} partitions")


def _view(each: PartitionFacts, group: Group) -> Iterator[Finding]:
    number, shown, log = each.number, each.shown, each.state
    if shown is None:
        if each.damage:
            yield _damaged(each.damage)
    elif shown > log.end:
        yield _ahead(number, shown, log.end)
    elif shown < log.first:
        yield _rebuilt(
            f"partition {number}: Redis shows {shown}, the changelog begins at {log.first}"
        )
    elif each.damage:
        yield _damaged(each.damage)
    elif each.another:
        yield _another(number, shown)
    elif not group.members and behind(shown, log.stable):
        yield _behind(number, log.stable - shown)


def _rebuilt(what: str) -> Finding:
    why = "it is rebuilt from the changelog when a worker takes the partition over"
    return warning("view", what, why, "bess worker")


def _another(number: int, shown: int) -> Finding:
    return fault(
        "view",
        f"partition {number}: the changelog has not the position that Redis shows at {shown}",
        "the state topic was made anew or lost its end: what Redis has is nowhere else",
        _KEEP,
    )


def _ahead(number: int, shown: int, end: int) -> Finding:
    return fault(
        "view",
        f"partition {number}: Redis shows changelog offset {shown}, but the changelog ends at "
        f"{end}",
        "the changelog lost its end: a worker would start from an older state",
        _KEEP,
    )


def _damaged(what: str) -> Finding:
    return warning(
        "view",
        what,
        "readers of Redis are misled until a worker that has the partition puts it right",
        "bess state scrub; look for evictions and for who else writes there",
    )


def _behind(number: int, offsets: int) -> Finding:
    return warning(
        "view",
        f"partition {number}: Redis is {offsets} changelog offsets behind",
        "readers of Redis see older states until a worker takes the partition over",
        "bess worker",
    )


def _group(each: PartitionFacts, group: Group) -> Iterator[Finding]:
    if group.members or each.committed is None:
        return
    folded = each.folded or 0
    if each.committed > folded:
        yield fault(
            "group",
            f"partition {each.number}: the group has committed {each.committed}, changelog and "
            f"Redis know of {folded}",
            "both have lost states; a worker suspends the partition",
            "bess state import FILE --into-changelog; without a backup: "
            f"bess state realign --partition {each.number} --to start",
        )
    if each.committed < folded:
        yield warning(
            "group",
            f"partition {each.number}: the group stands at {each.committed}, the state at {folded}",
            "somebody has moved the group back; workers go by the state and fold nothing twice",
            "to fold a stretch again, replay it; offsets of the group do not do it",
        )


def _transactions(each: PartitionFacts) -> Iterator[Finding]:
    for name, log in (("state", each.state), ("telemetry", each.telemetry)):
        if log.open_s is None:
            continue
        make = fault if log.open_s > HANGING_S else warning
        yield make(
            "transactions",
            f"a transaction on {name} partition {each.number} has been open for {log.open_s:.0f} s",
            "readers of committed records wait for it, and so do workers",
            "look again in a minute; if it stays: kafka-transactions.sh find-hanging, then abort",
        )
