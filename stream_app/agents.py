"""The energy agent's work: a chunk's bytes through the folds to records to publish."""

from collections import Counter
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from schemas import topics
from stream_app.codec.limits import LARGEST_OUTPUT, LARGEST_STATE
from stream_app.codec.results import Output
from stream_app.codec.telemetry import Decoded, Inbox, Record, decode
from stream_app.core.battery_system import Part
from stream_app.dead_letters import DeadLetters
from stream_app.engine.chunk import Chunk
from stream_app.engine.partition import Outcome, Timings
from stream_app.engine.publisher import Produce
from stream_app.engine.table import Table
from stream_app.families import Family, Step, family_of
from stream_app.kept import Kept, KeptStates
from stream_app.keys import part
from stream_app.metrics import LiveView, PipelineMetrics

log = structlog.get_logger(__name__)

States = MutableMapping[bytes, bytes]
"""The table: parts of states by telemetry key and name of the part."""


class TooLargeError(Exception):
    """A state or an output is beyond what Kafka takes; the text says what and how to mend it."""


@dataclass
class Folded:
    """What a chunk came to, for the commit and for the metrics.

    ``records`` are to publish; ``refused`` holds the reason by place; ``rate_limited`` of them are
    not published.
    """

    records: list[Output] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    rate_limited: int = 0
    states: dict[str, Any] = field(default_factory=dict)
    messages: int = 0
    samples: int = 0
    late: int = 0

    def add(self, step: Step, messages: int) -> None:
        """Count what messages of one key came to; their refusals are apart."""
        self.records += step.records
        self.messages += messages
        self.samples += step.samples
        self.late += step.late

    @property
    def newest_ms(self) -> int | None:
        """Newest event time [ms UTC] of what was folded."""
        times = (family_of(key).newest_ms(state) for key, state in self.states.items())
        return max((time for time in times if time is not None), default=None)


class EnergyWork:
    """Folds chunks into the table, and shows the states once they are committed."""

    def __init__(
        self,
        table: Table,
        names: Mapping[topics.Topic, str],
        metrics: PipelineMetrics,
        live: LiveView,
        dead_letters: DeadLetters,
        kept: KeptStates,
    ) -> None:
        self._table, self._names = table, names
        self._metrics, self._live = metrics, live
        self._dead_letters, self._kept = dead_letters, kept
        self._folded: dict[int, Folded] = {}

    def fold(self, chunk: Chunk, before: int) -> Outcome:
        """Fold a chunk into the table; ``before`` is the tally of refused records before it."""
        records = [(record.key, record.value) for record in chunk.records]
        decoded = decode(records)
        folded = self._folded[chunk.partition] = fold_chunk(
            decoded, self._table, records, self._kept
        )
        letters, after = self._dead_letters.letters(folded.refused, chunk, before)
        folded.rate_limited = letters.limited
        return Outcome(results(folded, self._names) + letters.records, after)

    def committed(self, chunk: Chunk, fold_seconds: float, timings: Timings) -> None:
        """Show the states of a committed chunk, and count it."""
        folded = self._folded.pop(chunk.partition)
        for key, state in folded.states.items():
            self._live.publish(key, state)
        self._metrics.chunk_done(
            partition=chunk.partition,
            records=len(chunk.records),
            messages=folded.messages,
            samples=folded.samples,
            late=folded.late,
            refused=Counter(folded.refused.values()),
            rate_limited=folded.rate_limited,
            fold_seconds=fold_seconds,
            commit_seconds=timings.commit,
            flush_seconds=timings.flush,
            mended=timings.mended,
            event_time_ms=folded.newest_ms,
            lost=chunk.lost,
        )


def fold_chunk(
    decoded: Decoded, table: States, records: Sequence[Record], kept: KeptStates | None = None
) -> Folded:
    """Fold decoded records into the states of ``table``, key by key.

    If a fold raises, or leads to what is too large, the records are folded one by one, and those
    for which it does so are refused.

    Parameters
    ----------
    kept
        States as earlier chunks left them, and this one leaves them; without, all are read.

    Raises
    ------
    ValueError
        A state cannot be read: no fault of the records, which another version may well fold.
    MemoryError
        Neither is it theirs that this machine has too little.
    """
    folded, kept = Folded(refused=dict(decoded.bad)), kept or KeptStates()
    for key, inbox in decoded.inboxes.items():
        before = _before(key, table, kept)
        try:
            _fold_inbox(folded, key, inbox, table, before, kept)
        except MemoryError:
            raise
        except Exception:
            log.exception("records folded one by one", key=key)
            for place in sorted(place for places in inbox.places for place in places):
                _fold_alone(folded, key, place, table, records[place], kept)
    return folded


def load(family: Family[Any], table: Mapping[bytes, bytes], key: str) -> Any:
    """The state of a key from its parts in ``table``.

    Raises
    ------
    ValueError
        A part cannot be read.
    """
    return _loaded(family, table, key).state


def _loaded(family: Family[Any], table: Mapping[bytes, bytes], key: str) -> Kept:
    parts: dict[bytes, bytes] = {}

    def read(name: Part) -> bytes | None:
        place = key.encode() + part(*name)
        found = table.get(place)
        if found is not None:
            parts[place] = found
        return found

    return Kept(family.load(read), parts)


def _before(key: str, table: States, kept: KeptStates) -> Kept:
    return kept.take(key, table) or _loaded(family_of(key), table, key)


def _fold_inbox(
    folded: Folded, key: str, inbox: Inbox, table: States, before: Kept, kept: KeptStates
) -> None:
    family, state = family_of(key), before.state
    step = family.fold(state, inbox.messages)
    for each in step.records:
        what = f"a record of {each.topic.suffix} for {key}"
        _check_size(what, each.value, LARGEST_OUTPUT, family)
    if len({each.index for each in step.refusals}) < len(inbox.messages):
        parts = family.save(state, step.touched if before.parts else None)
        for value in parts.values():
            _check_size(f"the state of {key}", value, LARGEST_STATE, family)
        changed = _write(table, key, before.parts, parts)
        kept.keep(key, Kept(state, {**before.parts, **changed}))
        _write(table, key, table, step.shown)
        folded.states[key] = state
    for refusal in step.refusals:
        folded.refused |= dict.fromkeys(inbox.places[refusal.index], refusal.reason)
    folded.add(step, len(inbox.messages))


def _write(
    table: States, key: str, before: Mapping[bytes, bytes], parts: Mapping[Part, bytes]
) -> dict[bytes, bytes]:
    """Write the parts that changed, and give them: only those go to Kafka and to Redis."""
    places = ((key.encode() + part(*name), value) for name, value in parts.items())
    changed = {place: value for place, value in places if before.get(place) != value}
    for place, value in changed.items():
        table[place] = value
    return changed


def _check_size(what: str, value: bytes, limit: int, family: Family[Any]) -> None:
    if len(value) > limit:
        raise TooLargeError(
            f"{what} would have {len(value)} bytes; at most {limit} can be kept: {family.smaller}"
        )


def _fold_alone(
    folded: Folded, key: str, place: int, table: States, record: Record, kept: KeptStates
) -> None:
    try:
        alone = decode([record]).inboxes[key]
        before = _before(key, table, kept)
        _fold_inbox(folded, key, Inbox(alone.messages, [[place]]), table, before, kept)
    except MemoryError:
        raise
    except TooLargeError as fault:
        folded.refused[place] = str(fault)
    except Exception as fault:  # noqa: BLE001
        folded.refused[place] = f"the fold raised {fault!r}"


def results(folded: Folded, names: Mapping[topics.Topic, str]) -> list[Produce]:
    """The records that the fold gave."""
    return [_produce(each, names) for each in folded.records]


def topic_names(prefix: str) -> dict[topics.Topic, str]:
    """Name of every topic in a deployment."""
    return {topic: topic.name(prefix) for topic in topics.TOPICS}


def _produce(each: Output, names: Mapping[topics.Topic, str]) -> Produce:
    return Produce(names[each.topic], each.key, each.value, each.time, each.headers)
