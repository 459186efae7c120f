"""A worker that folds and guards nothing: the baseline that shows what commit and flush cost.

With the variable ``RESULTS`` set it publishes its results as any producer would; else it drops
them too.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import replace

from bench.stream import RESULTS
from stream_app.cli import main
from stream_app.engine.chunk import Chunk
from stream_app.engine.partition import Outcome, Partition, Timings


async def _keep(
    self: Partition, chunk: Chunk, dirty: Mapping[bytes, bytes], outcome: Outcome
) -> Timings:
    start = time.perf_counter()
    if RESULTS in os.environ and outcome.records:
        await self.publisher.publish(outcome.records, self.number, {})
    offsets = {**self.position.offsets, chunk.topic: chunk.next_offset}
    self.position = replace(self.position, offsets=offsets, letters=outcome.letters)
    self.states.update(dirty)
    return Timings(time.perf_counter() - start, 0.0)


async def _unseen(self: Partition) -> int:  # noqa: ARG001
    """What nobody committed must not be shown: the next worker would go on from there."""
    return 0


if __name__ == "__main__":
    Partition.commit = _keep  # type: ignore[method-assign]
    Partition.scrub = _unseen  # type: ignore[method-assign]
    main()
