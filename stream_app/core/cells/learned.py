"""What is unusual for a battery system by a model that was learned from its own past."""

from typing import NamedTuple

import numpy as np

from stream_app.core.cells.features import columns_of, features
from stream_app.core.cells.forest import SCORE_DECIMALS, AnomalyModel
from stream_app.core.cells.judged import Judged
from stream_app.core.cells.sums import Cell, Sums
from stream_app.core.cells.windows import Windows
from stream_app.core.energy import Bools, Floats
from stream_app.core.watch import Delay

LEARNED_DELAY = Delay(23, 11)
"""Windows: two hours before it begins, one before it ends; the steep ends alone take about one."""


class Learned(NamedTuple):
    """Of cells in windows (n, cells): unusual, no more so, and the score."""

    beyond: Bools
    back: Bools
    score: Floats


def habits(found: Floats) -> Floats:
    """What each cell usually does (cells, k): medians of its features (n, cells, k)."""
    usual: Floats = np.zeros(found.shape[1:])
    known = np.isfinite(found).any(axis=0)
    usual[known] = np.nanmedian(found[:, known], axis=0)
    return usual


def unlike(found: Floats, usual: Floats) -> Floats:
    """Features less what is usual of each cell; what cannot be told is as usual: 0."""
    off = found - usual
    return np.where(np.isfinite(off), off, 0.0)


def learned(model: AnomalyModel, pack: str, sums: Sums) -> Learned:
    """Judge closed windows (n,) of a pack that the model knows.

    What is unusual is decided from whole numbers: it does not depend on how windows were grouped.
    """
    measured = sums.cells[Cell.V_COUNT] > 0
    found = unlike(features(columns_of(sums)), model.usual[pack])
    paths = model.forest.paths(found.reshape(-1, found.shape[-1])).reshape(measured.shape)
    limits = model.limits[pack]
    beyond = measured & (paths <= limits.threshold_path)
    back = measured & (paths > limits.back_path)
    return Learned(beyond, back, model.forest.scores(paths).round(SCORE_DECIMALS))


def by_model(model: AnomalyModel, pack: str, windows: Windows) -> Judged:
    """What the model says of windows (n,)."""
    found = learned(model, pack, windows.sums)
    where, limit = np.arange(len(found.score)), model.limits[pack].threshold + 0 * found.score
    return Judged(
        "LEARNED_ANOMALY",
        where,
        found.beyond,
        found.back,
        found.score,
        limit,
        "score",
        LEARNED_DELAY,
        model.version,
    )
