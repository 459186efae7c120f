"""Whether each telemetry key has one partition, the one where the default partitioner puts it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from stream_app.doctor.findings import Finding, fault, warning
from stream_app.partitioner import partition_of

NAMED = 3
"""Keys that a finding names; it counts the others."""

_REMEDY = (
    "one partitioner for all who write telemetry: murmur2, as Java and `bess replay` have it; "
    "kcat and other librdkafka programs: partitioner=murmur2_random"
)


def check_keys(held: Mapping[int, frozenset[str]], partitions: int) -> Iterator[Finding]:
    """Findings on keys.

    Parameters
    ----------
    held
        Telemetry keys that have states, by partition.
    partitions
        Count of partitions of the telemetry topic.
    """
    places = defaultdict[str, list[int]](list)
    for number, keys in sorted(held.items()):
        for key in keys:
            places[key].append(number)
    doubled = {key: numbers for key, numbers in places.items() if len(numbers) > 1}
    if doubled:
        yield _doubled(doubled)
    elsewhere = {
        key: numbers
        for key, numbers in places.items()
        if len(numbers) == 1 and numbers[0] != partition_of(key, partitions)
    }
    if elsewhere:
        yield _elsewhere(elsewhere)


def _doubled(places: Mapping[str, list[int]]) -> Finding:
    return fault(
        "keys",
        f"states in more than one partition: {_named(places)}",
        "each of them counts for itself, and its results come under the ids of the other: what "
        "was sent to both is counted twice, what was split between them is told in pieces",
        f"{_REMEDY}; what they have counted so far stays: replay it under another BESS_PREFIX",
    )


def _elsewhere(places: Mapping[str, list[int]]) -> Finding:
    return warning(
        "keys",
        f"not where the default partitioner (murmur2) puts them: {_named(places)}",
        "nothing is wrong while all who write a key use the same other partitioner; a replay, or "
        "`bess state repartition`, would have it in two",
        _REMEDY,
    )


def _named(places: Mapping[str, list[int]]) -> str:
    first = sorted(places)[:NAMED]
    named = ", ".join(f"{key} ({_numbers(places[key])})" for key in first)
    more = len(places) - len(first)
    return f"{named}, and {more:,} more" if more else named


def _numbers(numbers: list[int]) -> str:
    return f"partition{'s' * (len(numbers) > 1)} {' and '.join(map(str, numbers))}"
