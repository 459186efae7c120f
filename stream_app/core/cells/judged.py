"""What a rule says of closed windows, before it is watched over time."""

from typing import NamedTuple

from stream_app.core.cells.findings import CellRule, Unit
from stream_app.core.energy import Bools, Floats, Ints
from stream_app.core.watch import Delay


class Judged(NamedTuple):
    """A condition over windows (n, cells), or (n, 1) of the pack.

    ``where`` are the places of the windows that it can be judged in; ``value`` and ``limit`` are
    in ``unit``; ``model`` is the version of the one that judged, if it was one; ``since`` says when
    what is judged began, where that is not with the window [ms UTC].
    """

    rule: CellRule
    where: Ints
    beyond: Bools
    back: Bools
    value: Floats
    limit: Floats
    unit: Unit
    delay: Delay
    model: str | None = None
    since: Ints | None = None

    def but(self, stuck: Bools) -> "Judged":
        """The same, but for cells (n, cells) of which nothing is told."""
        kept = ~stuck[self.where]
        return self._replace(beyond=self.beyond & kept, back=self.back & kept)
