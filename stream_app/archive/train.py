"""Learning what is unusual for a battery system from its archive; needs scikit-learn."""

import math
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from schemas.battery import AnomalyModelRecord
from stream_app.archive.coverage import gaps
from stream_app.archive.disk import ArchiveError
from stream_app.archive.read import read
from stream_app.codec.anomaly_model import anomaly_model, version_of
from stream_app.core.cells.features import FEATURES, CellColumns, features
from stream_app.core.cells.forest import SCORE_DECIMALS, expected_path
from stream_app.core.cells.learned import habits, unlike
from stream_app.core.energy import Bools, Floats, Ints

TREES, SAMPLES = 100, 256
"""Those of Liu et al.; more change little."""
FEWEST_WINDOWS = 288
"""A day of five-minute windows of each pack."""
MOST_WINDOWS = 4_000
"""Of each pack by which the thresholds are set, drawn at random from all: two weeks."""
BACK = 5
"""A cell is no more unusual once its score is below that of ``BACK`` times the contamination."""
SEED = 0


class About(NamedTuple):
    """Whose features they are, and of which local days, the first and the last."""

    site: str
    system: str
    since: str
    until: str


def train(
    directory: Path,
    site: str,
    system: str,
    contamination: float,
    since: date | None = None,
    until: date | None = None,
    say: Callable[[str], None] = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
) -> AnomalyModelRecord:
    """Learn a model from the five-minute windows of a system's archive.

    Parameters
    ----------
    contamination
        Part of the windows of cells that is taken to be unusual.
    since, until
        First local day, and the one after the last.
    say
        Told what is done now.
    warn
        Told what the days lack, see :mod:`stream_app.archive.coverage`.

    Raises
    ------
    ArchiveError
        The archive has too little of the system.
    """
    if not (directory / "kind=cells_5min").is_dir():
        raise ArchiveError(f"{directory}: is no archive with cells; `bess archive` writes one")
    say("reading the archive")
    names = {"site": site, "system": system}
    table = read(directory, "cells_5min", names, since, until, list(CellColumns._fields))
    found = {pack: features(columns) for pack, columns in _packs(table).items()}
    for pack, each in found.items():
        if each.shape[0] < FEWEST_WINDOWS:
            raise ArchiveError(
                f"{directory}: has {each.shape[0]} windows of pack {pack}; at least "
                f"{FEWEST_WINDOWS}, a day of them, are needed: choose more days"
            )
    for gap in gaps(directory, names, since, until, table):
        warn(gap)
    days = table["date"].to_pylist()
    about = About(site, system, min(days), max(days))
    say(f"learning from {table.num_rows:,} windows of cells")
    return model_of(found, contamination, about)


def model_of(found: Mapping[str, Floats], contamination: float, about: About) -> AnomalyModelRecord:
    """Learn a model from the features of each pack (windows, cells, k)."""
    usual = {pack: habits(each) for pack, each in found.items()}
    off = {pack: unlike(each, usual[pack]) for pack, each in found.items()}
    rows = np.concatenate([each.reshape(-1, len(FEATURES)) for each in off.values()])
    record = AnomalyModelRecord(
        v=1,
        version="",
        features=list(FEATURES),
        contamination=contamination,
        threshold=0.5,
        back=0.5,
        windows=len(rows),
        usual={pack: each.astype("<f8").tobytes() for pack, each in usual.items()},
        site=about.site,
        system=about.system,
        since=about.since,
        until=about.until,
        **trees(rows),
    )
    measured = {pack: np.isfinite(each[..., 0]) for pack, each in found.items()}
    return _with_scores(record, off, measured)


def trees(rows: Floats) -> dict[str, Any]:
    """Fields of a record with a forest of scikit-learn, learned from rows (n, k)."""
    # Nothing else needs it: it is an extra.
    import sklearn  # noqa: PLC0415
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415

    forest = IsolationForest(
        n_estimators=TREES, max_samples=min(SAMPLES, len(rows)), random_state=SEED
    )
    forest.fit(rows.astype(np.float32))
    every = [_tree(each.tree_) for each in forest.estimators_]
    feature, value, right = (np.concatenate(each) for each in zip(*every, strict=True))
    return {
        "learned_with": f"scikit-learn {sklearn.__version__}",
        "samples": int(forest.max_samples_),
        "sizes": [part[0].size for part in every],
        "feature": feature.astype("<i1").tobytes(),
        "value": value.astype("<f8").tobytes(),
        "right": right.astype("<i4").tobytes(),
    }


def _tree(tree: Any) -> tuple[Ints, Floats, Ints]:
    """Nodes in the order of the record: each before its children, the left one next to it."""
    feature: list[int] = []
    value: list[float] = []
    right: list[int] = []
    waiting = [(0, 0, -1)]
    while waiting:
        node, depth, parent = waiting.pop()
        if parent >= 0:
            right[parent] = len(feature)
        is_leaf = tree.children_left[node] == tree.children_right[node]
        feature.append(-1 if is_leaf else int(tree.feature[node]))
        right.append(0)
        if is_leaf:
            value.append(depth + expected_path(int(tree.n_node_samples[node])))
            continue
        value.append(float(tree.threshold[node]))
        waiting.append((int(tree.children_right[node]), depth + 1, len(feature) - 1))
        waiting.append((int(tree.children_left[node]), depth + 1, -1))
    return np.array(feature), np.array(value), np.array(right)


def _with_scores(
    record: AnomalyModelRecord, off: Mapping[str, Floats], measured: Mapping[str, Bools]
) -> AnomalyModelRecord:
    """The record with the scores that its contamination asks for, and its version.

    Each cell has its own: what one does every day at the ends of the curve another never does, and
    the few that do would reach a threshold of all day after day.
    """
    forest = anomaly_model(_versioned(record)).forest
    random, share = np.random.default_rng(SEED), record.contamination
    scores = {}
    for pack, rows in off.items():
        some = random.permutation(len(rows))[:MOST_WINDOWS]
        flat = forest.scores(forest.paths(rows[some].reshape(-1, rows.shape[-1])))
        scores[pack] = np.where(measured[pack][some], flat.reshape(len(some), -1), np.nan)
    every = _limits(np.concatenate([each.ravel() for each in scores.values()]), share)
    if every is None:
        raise ArchiveError("no cell has a voltage on these days: choose others")
    own = {
        pack: [_limits(cell, share) or every for cell in each.T] for pack, each in scores.items()
    }
    threshold, back = every
    return _versioned(
        msgspec.structs.replace(
            record,
            threshold=threshold,
            back=back,
            scores={pack: np.array(each, dtype="<f8").tobytes() for pack, each in own.items()},
        )
    )


def _limits(scores: Floats, share: float) -> tuple[float, float] | None:
    """Threshold and back of scores (n,), NaN left out; None: there are none."""
    ranked = np.sort(scores[np.isfinite(scores)])
    if not ranked.size:
        return None
    return _reached_by(ranked, share), _reached_by(ranked, min(0.5, BACK * share))


def _reached_by(ranked: Floats, share: float) -> float:
    """The least score, in its decimals, that no more than a share of the ranked ones reach."""
    steps: int = 10**SCORE_DECIMALS
    highest_usual = float(ranked[-1 - int(share * ranked.size)])
    return min(math.floor(highest_usual * steps) + 1, steps - 1) / steps


def _versioned(record: AnomalyModelRecord) -> AnomalyModelRecord:
    return msgspec.structs.replace(record, version=version_of(record))


def _packs(table: pa.Table) -> Mapping[str, CellColumns]:
    """Matrices (windows, cells) of each pack; the table is sorted by pack, start and cell."""
    packs, cells = table["pack"].to_numpy(), table["cell"].to_numpy()
    found = {}
    for pack in sorted(set(packs.tolist())):
        own = packs == pack
        count = int(cells[own].max())
        matrices = (
            table[name].to_numpy()[own].astype(np.float64).reshape(-1, count)
            for name in CellColumns._fields
        )
        found[pack] = CellColumns(*matrices)
    return found
