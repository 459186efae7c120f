"""Round-trip efficiency: what comes out of what went in, also where the charge is not the same."""

import math


def naive(charged: float, discharged: float) -> float:
    """Energy out over energy in (one unit); right only where the SOC ends as it began."""
    return discharged / charged


def corrected(charged: float, discharged: float, stored: float) -> float:
    """Round-trip efficiency where ``stored`` more energy is in the battery than before.

    Parameters
    ----------
    charged, discharged
        At the terminals, >= 0, ``charged`` > 0; one unit.
    stored
        Change of SOC times usable energy, in the same unit.

    Notes
    -----
    ``R = eta^2`` with ``eta charged - discharged / eta = stored``: the same loss each way.
    """
    root = math.sqrt(stored * stored + 4 * charged * discharged)
    return ((stored + root) / (2 * charged)) ** 2
