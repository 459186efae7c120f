"""Models for tests, learned from a clean pack of the generator."""

from functools import cache

import msgspec
import numpy as np

from schemas.battery import AnomalyModelRecord
from stream_app.archive.train import About, model_of
from stream_app.codec.anomaly_model import anomaly_model, version_of
from stream_app.core.cells.features import columns_of, features
from stream_app.core.cells.forest import AnomalyModel
from stream_app.core.energy import Floats
from tests.cells.generator import Faults
from tests.cells.test_anomalies import folded

LEARNED_DAYS = 6
DAYS = 10
"""Of the generator: another number makes other cells of the same seed."""


@cache
def habit_features(seed: int, interval_s: float) -> Floats:
    """Of the first days of the pack that this seed gives."""
    windows = folded(seed, DAYS, Faults(), interval_s).windows
    slots = [each for each in windows if each.resolution == "5min" and each.final]
    found = np.concatenate([features(columns_of(each.sums)) for each in slots])
    return found[: LEARNED_DAYS * 288]


@cache
def learned_record(
    seed: int, interval_s: float = 300.0, contamination: float = 0.03
) -> AnomalyModelRecord:
    about = About("station", "b1", "2025-03-26", "2025-03-31")
    return model_of({"1": habit_features(seed, interval_s)}, contamination, about)


def learned_model(
    seed: int, interval_s: float = 300.0, contamination: float = 0.03
) -> AnomalyModel:
    return anomaly_model(learned_record(seed, interval_s, contamination))


def changed(record: AnomalyModelRecord, **fields: object) -> AnomalyModel:
    """The model with other fields and the version that they make."""
    other = msgspec.structs.replace(record, **fields)
    return anomaly_model(msgspec.structs.replace(other, version=version_of(other)))
