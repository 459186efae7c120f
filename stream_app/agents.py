"""The energy agent's work: a chunk's bytes through the pipeline to records to publish."""

from collections import Counter
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field

import structlog

from schemas import topics
from stream_app.codec.limits import LARGEST_OUTPUT, LARGEST_STATE
from stream_app.codec.results import Output, encode_outputs
from stream_app.codec.state import restore, snapshot
from stream_app.codec.telemetry import Decoded, Inbox, Record, decode
from stream_app.core.messages import Outputs
from stream_app.dead_letters import DeadLetters
from stream_app.engine.chunk import Chunk
from stream_app.engine.partition import Outcome, Timings
from stream_app.engine.publisher import Produce
from stream_app.engine.table import Table
from stream_app.metrics import LiveView, PipelineMetrics
from stream_app.pipeline import BlockState, fold

log = structlog.get_logger(__name__)


class TooLargeError(Exception):
    """A state or an output is beyond what Kafka takes; the text says what and how to mend it."""


@dataclass
class Folded:
    """What a chunk came to, for the commit and for the metrics.

    ``records`` are ``outputs`` to publish; ``refused`` holds the reason by place; ``rate_limited``
    of them are not published.
    """

    outputs: Outputs = field(default_factory=Outputs)
    records: list[Output] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    rate_limited: int = 0
    states: dict[str, BlockState] = field(default_factory=dict)
    messages: int = 0

    @property
    def newest_ms(self) -> int | None:
        """Newest event time [ms UTC] of the blocks that were folded."""
        inputs = (each for state in self.states.values() for each in state.inputs.values())
        return max((each.latest[0] for each in inputs if each.latest), default=None)


class EnergyWork:
    """Folds chunks into the energy table, and shows the states once they are committed."""

    def __init__(
        self,
        table: Table,
        names: Mapping[topics.Topic, str],
        metrics: PipelineMetrics,
        live: LiveView,
        dead_letters: DeadLetters,
    ) -> None:
        self._table, self._names = table, names
        self._metrics, self._live = metrics, live
        self._dead_letters = dead_letters
        self._folded: dict[int, Folded] = {}

    def fold(self, chunk: Chunk, before: int) -> Outcome:
        """Fold a chunk into the table; ``before`` is the tally of refused records before it."""
        records = [(record.key, record.value) for record in chunk.records]
        decoded = decode(records)
        folded = self._folded[chunk.partition] = fold_chunk(decoded, self._table, records)
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
            samples=folded.outputs.samples,
            late=sum(late.times.size for late in folded.outputs.too_late),
            refused=Counter(folded.refused.values()),
            rate_limited=folded.rate_limited,
            fold_seconds=fold_seconds,
            commit_seconds=timings.commit,
            flush_seconds=timings.flush,
            event_time_ms=folded.newest_ms,
            lost=chunk.lost,
        )


def block_key(state_key: bytes) -> str:
    """The power block that a state in the view belongs to."""
    return state_key.partition(b"|")[2].decode()


def fold_chunk(
    decoded: Decoded, table: MutableMapping[bytes, bytes], records: Sequence[Record]
) -> Folded:
    """Fold decoded records into the states of ``table``, key by key.

    If a fold raises, or leads to what is too large, the records are folded one by one, and those
    for which it does so are refused.

    Raises
    ------
    ValueError
        A state cannot be read: no fault of the records, which another version may well fold.
    MemoryError
        Neither is it theirs that this machine has too little.
    """
    folded = Folded(refused=dict(decoded.bad))
    for key, inbox in decoded.inboxes.items():
        state = _state(table, key.encode())
        try:
            _fold_inbox(folded, key, inbox, table, state)
        except MemoryError:
            raise
        except Exception:
            log.exception("records folded one by one", key=key)
            for place in sorted(place for places in inbox.places for place in places):
                _fold_alone(folded, key, place, table, records[place])
    return folded


def _fold_inbox(
    folded: Folded,
    key: str,
    inbox: Inbox,
    table: MutableMapping[bytes, bytes],
    state: BlockState,
) -> None:
    outputs = fold(state, inbox.messages)
    records, after = list(encode_outputs(outputs)), snapshot(state)
    for each in records:
        _check_size(f"a record of {each.topic.suffix} for {key}", each.value, LARGEST_OUTPUT)
    if len(outputs.refusals) < len(inbox.messages):
        _check_size(f"the state of {key}", after, LARGEST_STATE)
        table[key.encode()] = after
        folded.states[key] = state
    for refusal in outputs.refusals:
        folded.refused |= dict.fromkeys(inbox.places[refusal.index], refusal.reason)
    folded.outputs.extend(outputs)
    folded.records += records
    folded.messages += len(inbox.messages)


def _check_size(what: str, value: bytes, limit: int) -> None:
    if len(value) > limit:
        raise TooLargeError(
            f"{what} would have {len(value)} bytes; at most {limit} can be kept: cut the power "
            "block into several, each with fewer DC inputs, enclosures or shares"
        )


def _fold_alone(
    folded: Folded, key: str, place: int, table: MutableMapping[bytes, bytes], record: Record
) -> None:
    try:
        alone = decode([record]).inboxes[key]
        state = _state(table, key.encode())
        _fold_inbox(folded, key, Inbox(alone.messages, [[place]]), table, state)
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


def _state(table: MutableMapping[bytes, bytes], key: bytes) -> BlockState:
    try:
        return restore(table[key])
    except KeyError:
        return BlockState()


def _produce(each: Output, names: Mapping[topics.Topic, str]) -> Produce:
    return Produce(names[each.topic], each.key, each.value, each.time, each.headers)
