"""A worker that folds and never commits: the baseline that shows what commit and flush cost."""

import time
from collections.abc import Mapping
from dataclasses import replace

from stream_app.cli import main
from stream_app.engine.chunk import Chunk
from stream_app.engine.partition import Outcome, Partition, Timings


async def _keep(
    self: Partition, chunk: Chunk, dirty: Mapping[bytes, bytes], outcome: Outcome
) -> Timings:
    start = time.perf_counter()
    offsets = {**self.position.offsets, chunk.topic: chunk.next_offset}
    self.position = replace(self.position, offsets=offsets, letters=outcome.letters)
    self.states.update(dirty)
    return Timings(time.perf_counter() - start, 0.0)


if __name__ == "__main__":
    Partition.commit = _keep  # type: ignore[method-assign]
    main()
