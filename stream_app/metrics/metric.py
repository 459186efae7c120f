"""What a metric is."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One metric of the contract.

    Attributes
    ----------
    name
        As Prometheus stores it, a counter with its ``_total``.
    unit
        ``W``, ``J``, ``s``, ``ratio``, or what is counted.
    buckets
        Upper bounds of a histogram, in ``unit``.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()
