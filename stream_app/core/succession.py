"""Which topology may follow another one once energy is counted."""

from collections.abc import Mapping

from stream_app.core.integrator import InputState
from stream_app.core.topology import PowerBlock

MOST_ENCLOSURES = 2_048
MOST_INPUTS_GONE = 16
"""Bounds of what is remembered of a block's earlier topologies."""


def objection(
    old: PowerBlock | None,
    new: PowerBlock,
    counted: Mapping[str, InputState],
    owner_of: Mapping[str, str],
) -> str | None:
    """Why ``new`` cannot follow, with the remedy; None if it can.

    Parameters
    ----------
    counted
        The inputs with energy, also those that are in no topology any more.
    owner_of
        Their enclosures, see :func:`owners`.
    """
    if old is None or not counted:
        return None
    if old.zone != new.zone:
        return (
            f"the topology changes the zone {old.zone}, in whose days energy is counted: "
            "use another site name"
        )
    named = [(enclosure, name) for name, shares in new.inputs.items() for enclosure in shares]
    for enclosure, name in named:
        owner = owner_of.get(enclosure, name)
        if owner != name:
            return (
                f"the topology moves enclosure {enclosure} to DC input {name}, but its energy "
                f"is counted from {owner}: give it another id, or use another site name"
            )
    every, gone = {*owner_of, *dict(named)}, {*counted} - {*new.inputs}
    if len(every) > MOST_ENCLOSURES or len(gone) > MOST_INPUTS_GONE:
        return (
            f"the topology changes to more than {MOST_ENCLOSURES} enclosures, or leaves more than "
            f"{MOST_INPUTS_GONE} DC inputs, since energy is counted: use another site name"
        )
    return None


def owners(counted: Mapping[str, InputState], before: Mapping[str, str]) -> dict[str, str]:
    """DC input of each enclosure that ever had energy."""
    now = {each: name for name, state in counted.items() for each in state.allocation.shares}
    return {**before, **now}
