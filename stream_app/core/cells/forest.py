"""An isolation forest, as it was learned elsewhere: how unusual a cell's window is.

F. T. Liu, K. M. Ting, Z.-H. Zhou, *Isolation Forest*, ICDM 2008: what few random cuts set apart
from the rest is unusual. The score is ``2 ** (-mean path / expected path)``, near 1 for what is
unusual, about 0.5 or less for the rest.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_app.core.energy import Bools, Floats, Ints

LENGTH_BITS = 32
"""Path lengths are added up as whole numbers of 2^-32, so that any grouping gives the same sum."""
LONGEST_PATH = 1024.0
MOST_NODES = 1 << 20
BLOCK = 256
"""Rows that are looked up together: what that takes stays in the cache."""
SCORE_DECIMALS = 6


Places = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees, one after another, each node before its children, a left child next to its parent.

    Attributes
    ----------
    roots
        (trees,) places of the roots.
    feature, threshold
        (nodes,) a row goes left if its feature is at most the threshold.
    children
        (2 * nodes,) right and left child of each node; leaves lead to themselves.
    length
        (nodes,) path lengths of leaves [2^-32].
    depth
        Of the deepest leaf.
    norm
        Sum over the trees of the path that is expected.
    """

    roots: Places
    feature: Places
    threshold: Floats
    children: Places
    length: Ints
    depth: int
    norm: float

    def paths(self, rows: Floats) -> Ints:
        """Sums of the path lengths of rows (n, k) over all trees [2^-32]; short is unusual.

        Thresholds were learned from float32, so rows are rounded to it.
        """
        found = np.empty(rows.shape[0], dtype=np.int64)
        for first in range(0, rows.shape[0], BLOCK):
            found[first : first + BLOCK] = self._paths(rows[first : first + BLOCK])
        return found

    def _paths(self, rows: Floats) -> Ints:
        size, columns = rows.shape
        values = rows.astype(np.float32).ravel()
        firsts = (columns * np.arange(size, dtype=np.int32))[:, None]
        nodes = np.broadcast_to(self.roots, (size, self.roots.size))
        for _ in range(self.depth):
            left = values.take(firsts + self.feature.take(nodes)) <= self.threshold.take(nodes)
            nodes = self.children.take(2 * nodes + left)
        total: Ints = self.length.take(nodes).sum(axis=1)
        return total

    def scores(self, paths: Ints) -> Floats:
        """Scores in 0 to 1 of sums of paths."""
        found: Floats = np.exp2(-paths / (self.norm * (1 << LENGTH_BITS)))
        return found

    def path(self, score: float) -> int:
        """The longest sum of paths that has at least this score."""
        return math.floor(-math.log2(score) * self.norm * (1 << LENGTH_BITS))


def expected_path(samples: int) -> float:
    """Path length of an unsuccessful search among samples (Liu et al., equation 1)."""
    if samples <= 1:
        return 0.0
    if samples == 2:
        return 1.0
    return 2.0 * (math.log(samples - 1.0) + np.euler_gamma) - 2.0 * (samples - 1.0) / samples


def forest(
    sizes: Ints, feature: Ints, value: Floats, right: Ints, columns: int, samples: int
) -> Forest:
    """Put a forest together.

    Parameters
    ----------
    sizes
        (trees,) nodes of each tree.
    feature
        (nodes,) -1: a leaf.
    value
        (nodes,) threshold, or path length of a leaf.
    right
        (nodes,) place of the right child in its tree; not used of leaves.
    columns
        Features of a row.
    samples
        Rows that each tree was learned from.

    Raises
    ------
    ValueError
        These are no such trees.
    """
    nodes = int(sizes.sum())
    if not sizes.size or sizes.min() < 1 or nodes > MOST_NODES or samples < 2:
        raise ValueError("the trees of the model have no nodes, too many, or too few samples")
    if not feature.size == value.size == right.size == nodes:
        raise ValueError("the trees of the model have columns of unequal length")
    roots = np.cumsum(sizes) - sizes
    own = np.arange(nodes)
    leaf = feature == -1
    first = np.repeat(roots, sizes)
    left, right = np.where(leaf, own, own + 1), np.where(leaf, own, first + right)
    inside = (left < first + np.repeat(sizes, sizes)) & (right < first + np.repeat(sizes, sizes))
    forward = leaf | (right > left)
    if not (inside & forward & (feature >= -1) & (feature < columns)).all():
        raise ValueError("the trees of the model lead nowhere, or to features that there are not")
    limits = np.where(leaf, (value >= 0) & (value <= LONGEST_PATH), np.isfinite(value))
    if not limits.all():
        raise ValueError("a threshold or a path in the trees of the model is no number")
    length = np.rint(np.where(leaf, value, 0.0) * (1 << LENGTH_BITS)).astype(np.int64)
    threshold = np.where(leaf, np.inf, value)
    depth = _depth(roots, leaf, left, right)
    norm = sizes.size * expected_path(samples)
    return Forest(
        roots.astype(np.int32),
        np.where(leaf, 0, feature).astype(np.int32),
        threshold,
        np.stack((right, left), axis=1).ravel().astype(np.int32),
        length,
        depth,
        norm,
    )


def _depth(roots: Ints, leaf: Bools, left: Ints, right: Ints) -> int:
    depth, level = 0, roots[~leaf[roots]]
    while level.size:
        depth += 1
        level = np.unique(np.concatenate((left[level], right[level])))
        level = level[~leaf[level]]
    return depth


class ScoreLimits(NamedTuple):
    """From where on the cells of a pack (cells,) are unusual, and behind what no more.

    Scores, and the longest sums of paths that reach each.
    """

    threshold: Floats
    threshold_path: Ints
    back_path: Ints


def score_limits(trees: Forest, threshold: Floats, back: Floats) -> ScoreLimits:
    """Limits of scores (cells,) each."""
    paths = (np.array([trees.path(each) for each in some.tolist()]) for some in (threshold, back))
    return ScoreLimits(threshold, *paths)


@dataclass(frozen=True, eq=False)
class AnomalyModel:
    """A forest that was learned from the windows of one battery system.

    Attributes
    ----------
    version
        Hash of all the rest.
    usual
        Pack -> what is usual of each of its cells (cells, k).
    features
        Names of the columns, in order.
    limits
        Pack -> from which scores on its cells are unusual.
    data
        The record that says all this.
    """

    version: str
    site: str
    system: str
    usual: Mapping[str, Floats]
    features: tuple[str, ...]
    limits: Mapping[str, ScoreLimits]
    forest: Forest
    data: bytes

    @property
    def key(self) -> str:
        return f"{self.site}/battery/{self.system}"
