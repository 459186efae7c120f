"""Models of anomalies as records, and back: plain numbers, no code."""

from functools import lru_cache
from hashlib import sha256

import msgspec
import numpy as np

from schemas.battery import AnomalyModelRecord
from stream_app.codec.checks import check_names
from stream_app.codec.limits import LONGEST_NAME, MOST_PACKS, MOST_SIGNALS
from stream_app.core.cells.forest import AnomalyModel, forest, score_limits
from stream_app.core.energy import Floats

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnomalyModelRecord)
VERSION_DIGITS = 16


def version_of(record: AnomalyModelRecord) -> str:
    """Hash of all but the version."""
    content = _encoder.encode(msgspec.structs.replace(record, version=""))
    return sha256(content).hexdigest()[:VERSION_DIGITS]


def anomaly_model(record: AnomalyModelRecord) -> AnomalyModel:
    """The model of a record.

    Raises
    ------
    ValueError
        Its version is not that of its content, or what it holds is no such model.
    """
    check_names("the model", [record.site, record.system, *record.usual])
    if "/" in record.site + record.system:
        raise ValueError("the names of the model's system must have no slash: they are the key")
    if record.version != version_of(record):
        raise ValueError(
            f"the model calls itself {record.version[:LONGEST_NAME]!r}, but its content is "
            f"{version_of(record)}: it was changed; train it anew with `bess anomalies train`"
        )
    if not 1 <= len(record.features) <= MOST_SIGNALS or not 1 <= len(record.usual) <= MOST_PACKS:
        raise ValueError("the model has no features or packs, or too many")
    columns = len(record.features)
    trees = forest(
        np.array(record.sizes, dtype=np.int64),
        _numbers(record.feature, "<i1").astype(np.int64),
        _numbers(record.value, "<f8").astype(np.float64),
        _numbers(record.right, "<i4").astype(np.int64),
        columns,
        record.samples,
    )
    usual = {name: _usual(data, columns) for name, data in record.usual.items()}
    if not record.scores.keys() <= usual.keys():
        raise ValueError("the model has scores of packs that it does not know")
    return AnomalyModel(
        record.version,
        record.site,
        record.system,
        usual,
        tuple(record.features),
        {name: score_limits(trees, *_scores(record, name, len(usual[name]))) for name in usual},
        trees,
        _encoder.encode(record),
    )


def model_under(key: str, record: AnomalyModelRecord) -> AnomalyModel:
    """The model of a record that came under a key.

    Raises
    ------
    ValueError
        As of ``anomaly_model``, or it is of another system.
    """
    found = anomaly_model(record)
    if found.key != key:
        raise ValueError(f"the model of {found.key} came under the key {key}")
    return found


@lru_cache(maxsize=64)
def load_model(data: bytes) -> AnomalyModel:
    """The model that a record's bytes hold."""
    return anomaly_model(_decoder.decode(data))


def _numbers(data: bytes, kind: str) -> "np.ndarray[tuple[int], np.dtype[np.generic]]":
    if len(data) % np.dtype(kind).itemsize:
        raise ValueError("the numbers of the model are cut off")
    return np.frombuffer(data, dtype=kind)


def _scores(record: AnomalyModelRecord, pack: str, cells: int) -> tuple[Floats, Floats]:
    """Thresholds of the cells of a pack, and the scores below which they are unusual no more."""
    data, both = record.scores.get(pack), np.array([record.threshold, record.back])
    found = np.tile(both, cells) if data is None else _numbers(data, "<f8").astype(np.float64)
    if found.size != 2 * cells:
        raise ValueError(f"the model has scores of {found.size / 2:g} of {cells} cells of a pack")
    threshold, back = found.reshape(-1, 2).T
    if not ((back > 0) & (back <= threshold) & (threshold < 1)).all():
        raise ValueError("the scores of the model must be 0 < back <= threshold < 1")
    return threshold, back


def _usual(data: bytes, columns: int) -> Floats:
    found: Floats = _numbers(data, "<f8").astype(np.float64)
    if not found.size or found.size % columns or not np.isfinite(found).all():
        raise ValueError("what is usual of the cells of the model has no number for each feature")
    return found.reshape(-1, columns)
