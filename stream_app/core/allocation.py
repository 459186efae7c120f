"""Who gets the energy of a DC input, and how its sums follow when that changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stream_app.core.topology import share_groups


@dataclass
class Allocation:
    """The enclosures whose energy the sums of an input hold.

    Attributes
    ----------
    shares
        By enclosure; 0 for those that left, until their windows are closed.
    apart
        Each enclosure has sums of its own. Otherwise those with equal shares have them together,
        which is so until the allocation changes while energy is counted.
    left
        Enclosures that left, and the last instant [ms UTC] at which they may have energy.
    """

    shares: dict[str, float] = field(default_factory=dict)
    apart: bool = False
    left: dict[str, int] = field(default_factory=dict)

    @property
    def present(self) -> dict[str, float]:
        """Shares of the enclosures that have not left."""
        return {name: share for name, share in self.shares.items() if name not in self.left}

    def groups(self) -> list[tuple[float, list[str]]]:
        """Share and enclosures of each group of sums, in their order."""
        if self.apart:
            return [(share, [enclosure]) for enclosure, share in self.shares.items()]
        return share_groups(self.shares)

    def changed(self, shares: Mapping[str, float], last: int, open_from: int) -> "Allocation":
        """The allocation from now on.

        Parameters
        ----------
        shares
            By enclosure.
        last
            Last instant at which those that leave may have energy [ms UTC].
        open_from
            Those that left before it have no open window any more, and are forgotten [ms UTC].
        """
        gone = {name: self.left.get(name, last) for name in self.shares if name not in shares}
        left = {name: time for name, time in gone.items() if time >= open_from}
        return Allocation({**shares, **dict.fromkeys(left, 0.0)}, True, left)


def carried(old: Allocation, new: Allocation, groups: Sequence[list[int]]) -> list[list[int]]:
    """Sums of each group of ``old`` as those of the groups of ``new``, which is ``apart``."""
    place = {name: at for at, (_, names) in enumerate(old.groups()) for name in names}
    nothing = [0] * len(groups[0])
    return [list(groups[place[name]]) if name in place else [*nothing] for name in new.shares]
