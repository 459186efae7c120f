"""A model that was learned elsewhere judges as its maker would, and says which it is."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from schemas.battery import AnomalyModelRecord
from stream_app.archive import train
from stream_app.codec.anomaly_model import anomaly_model, version_of
from stream_app.codec.battery import decode_battery, encode_battery
from stream_app.codec.battery_state import load_battery, save_battery
from stream_app.core.battery_system import MODEL, BatteryState, SystemMessage, fold_battery
from stream_app.core.cells.findings import CellFinding
from stream_app.core.cells.forest import AnomalyModel, forest
from stream_app.core.messages import EndOfData
from stream_app.metrics.reasons import reason_class
from tests.cells.generator import START_MS, Faults, battery, trace
from tests.cells.models import DAYS, changed, learned_model, learned_record

DAY_MS = 86_400_000
KEY = "station/battery/b1"


@pytest.mark.parametrize(("rows", "columns", "seed"), [(40, 1, 0), (300, 3, 1), (5_000, 7, 2)])
def test_scores_are_those_of_scikit_learn(rows: int, columns: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    known = random.normal(0, 1, (rows, columns)).astype(np.float32).astype(np.float64)
    asked = np.concatenate([known, random.standard_cauchy((2_000, columns))])
    fields = train.trees(known)
    own = forest(
        np.array(fields["sizes"]),
        np.frombuffer(fields["feature"], "<i1").astype(np.int64),
        np.frombuffer(fields["value"], "<f8"),
        np.frombuffer(fields["right"], "<i4").astype(np.int64),
        columns,
        fields["samples"],
    )
    theirs = IsolationForest(
        n_estimators=train.TREES, max_samples=min(train.SAMPLES, rows), random_state=train.SEED
    ).fit(known.astype(np.float32))

    expected = -theirs.score_samples(asked.astype(np.float32))
    assert np.abs(own.scores(own.paths(asked)) - expected).max() < 1e-9


def test_what_is_asked_together_does_not_matter() -> None:
    own = learned_model(1).forest
    rows = np.random.default_rng(3).normal(0, 4, (9_000, 7))

    together = own.paths(rows)

    assert together.tolist() == [
        *own.paths(rows[:1]),
        *own.paths(rows[1:4_500]),
        *own.paths(rows[4_500:]),
    ]


@pytest.mark.parametrize("score", [0.41, 0.5, 0.6632, 0.9])
def test_a_score_is_reached_where_its_path_is(score: float) -> None:
    own = learned_model(1).forest
    path = own.path(score)

    assert own.scores(np.array([path]))[0] >= score > own.scores(np.array([path + 1 << 8]))[0]


def messages(
    seed: int, days: float, faults: Faults, rows: int, model: AnomalyModel | None
) -> list[SystemMessage]:
    """The first days of a pack, the model before all rows."""
    data = trace(seed, DAYS, faults, 300.0)
    last = round(days * 288)
    parts = [data.samples(at, min(at + rows, last)) for at in range(0, last, rows)]
    end = EndOfData(int(data.times[last - 1]) + 1)
    return [battery(300.0), *([model] if model else []), *parts, end]


def found(every: list[SystemMessage]) -> list[CellFinding]:
    return fold_battery(BatteryState(), every).cells.findings


def of_model(findings: list[CellFinding]) -> list[CellFinding]:
    return [each for each in findings if each.rule == "LEARNED_ANOMALY"]


def later(every: list[CellFinding]) -> list[CellFinding]:
    """After the days that were learned from."""
    return [each for each in every if each.time > START_MS + 6 * DAY_MS]


@pytest.mark.parametrize("seed", [1])
def test_a_cell_that_leaves_its_habits_is_named_with_score_threshold_and_model(seed: int) -> None:
    model = learned_model(seed)
    faults = Faults(drifting=17, stuck=44, since_h=6 * 24 + 30)

    named = later(of_model(found(messages(seed, DAYS, faults, 400, model))))

    raised = {each.cell for each in named if each.raised}
    assert 17 in raised
    assert 44 not in raised, "it is told to be stuck, and judged no more"
    for each in named:
        assert (each.pack, each.unit, each.model) == ("1", "score", model.version)
        assert each.cell is not None
        assert each.limit == model.limits["1"].threshold[each.cell - 1]
        assert each.value >= each.limit or not each.raised


@pytest.mark.parametrize("seed", [1])
def test_a_pack_that_goes_on_as_before_is_left_in_peace(seed: int) -> None:
    assert later(of_model(found(messages(seed, DAYS, Faults(), 400, learned_model(seed))))) == []


def test_a_model_changes_nothing_of_other_rules_and_judges_only_what_closes_after_it() -> None:
    model = learned_model(1)
    every = messages(1, 3, Faults(drifting=17, since_h=0), 100, None)
    half = len(every) // 2

    plain = found(every)
    judged = found([*every[:half], model, *every[half:]])

    assert [each for each in judged if each.model is None] == plain
    assert of_model(judged)
    first = every[half - 1]
    assert min(each.since for each in of_model(judged)) >= first.times[-1] - 300_000  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [1, 50])
def test_results_and_states_do_not_depend_on_how_rows_came(size: int) -> None:
    model, faults = learned_model(1), Faults(drifting=17, since_h=0)
    whole = messages(1, 2, faults, 10_000, model)
    parts = messages(1, 2, faults, size, model)
    one, other = BatteryState(), BatteryState()

    expected = fold_battery(one, whole).cells.findings
    outputs = []
    for first in range(0, len(parts), 50):
        outputs += fold_battery(other, parts[first : first + 50]).cells.findings
        saved = save_battery(other)
        other = load_battery(saved.get)

    assert of_model(expected)
    assert outputs == expected
    assert save_battery(other) == save_battery(one)
    assert save_battery(other)[MODEL] == encode_battery(model)


def refused(every: list[SystemMessage]) -> str:
    (refusal,) = fold_battery(BatteryState(), every).refusals
    return refusal.reason


@pytest.mark.parametrize(
    ("every", "why"),
    [
        (lambda: [learned_model(1)], "no battery is known under this key"),
        (
            lambda: [battery(), changed(learned_record(1), features=["a", *"bcdefg"])],
            "has other features than this program: train it anew",
        ),
        (
            lambda: [battery(packs=2), learned_model(1)],
            "knows packs 1 with 52, the battery has 1 with 52, 2 with 52 cells: train it anew",
        ),
    ],
)
def test_a_model_that_does_not_fit_the_battery_is_refused_with_the_reason(
    every: Callable[[], list[SystemMessage]], why: str
) -> None:
    reason = refused(every())

    assert why in reason
    assert reason_class(reason) in {"bad_model", "no_topology"}


def test_a_refused_model_leaves_the_one_before() -> None:
    state, model = BatteryState(), learned_model(1)
    other = changed(learned_record(1), features=["a", *"bcdefg"])

    outputs = fold_battery(state, [battery(), model, other])

    assert [each.index for each in outputs.refusals] == [2]
    assert state.cells.model is model


def broken(**fields: Any) -> bytes:
    """A record with other fields and the version that they make."""
    record = msgspec.structs.replace(learned_record(1), **fields)
    return msgspec.json.encode(msgspec.structs.replace(record, version=version_of(record)))


def nodes() -> int:
    return sum(learned_record(1).sizes)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"sizes": []}, "have no nodes"),
        ({"samples": 1}, "too few samples"),
        ({"right": b"\0" * 4}, "unequal length"),
        ({"right": b"\0" * 3}, "cut off"),
        ({"usual": {"1": b"\0" * 8}}, "no number for each feature"),
        ({"scores": {}, "threshold": 1.5}, "0 < back <= threshold < 1"),
        ({"scores": {"1": np.full(104, np.nan).tobytes()}}, "0 < back <= threshold < 1"),
        ({"scores": {"1": b"\0" * 16}}, "scores of 1 of 52 cells"),
        ({"scores": {"2": b""}}, "packs that it does not know"),
        ({"features": []}, "no features or packs"),
        ({"system": "b2"}, "came under the key"),
    ],
)
def test_what_is_no_model_is_refused_with_the_reason(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why) as fault:
        decode_battery(KEY, broken(**fields))
    assert reason_class(str(fault.value)) in {"bad_model", "wrong_key"}


@pytest.mark.parametrize(
    ("name", "make", "why"),
    [
        ("right", lambda: np.zeros(nodes(), "<i4"), "lead nowhere"),
        ("right", lambda: np.full(nodes(), 10**9, "<i4"), "lead nowhere"),
        ("feature", lambda: np.full(nodes(), 3, "<i1"), "lead nowhere"),
        ("feature", lambda: np.full(nodes(), 9, "<i1"), "lead nowhere"),
        ("value", lambda: np.full(nodes(), np.nan, "<f8"), "is no number"),
    ],
)
def test_trees_that_lead_nowhere_are_refused(name: str, make: Callable[[], Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        decode_battery(KEY, broken(**{name: make().tobytes()}))


def test_a_model_without_scores_of_cells_has_one_threshold_for_all() -> None:
    model = changed(learned_record(1), scores={})

    assert set(model.limits["1"].threshold.tolist()) == {learned_record(1).threshold}
    assert b"scores" not in model.data


def test_a_model_that_was_changed_is_refused() -> None:
    record: AnomalyModelRecord = learned_record(1)

    with pytest.raises(ValueError, match="it was changed; train it anew"):
        anomaly_model(msgspec.structs.replace(record, threshold=record.threshold + 0.01))


def test_the_same_days_give_the_same_model() -> None:
    again = learned_record.__wrapped__(1)

    assert again == learned_record(1)
    assert len(encode_battery(anomaly_model(again))) < 1 << 20
