"""What the variables of a pass mean."""

import pytest

from tests.faults.plan import Plan, PlanError

KNOWN = {"F1", "F2", "F10"}


def test_without_variables_everything_runs_at_full_length() -> None:
    plan = Plan.read({}, KNOWN)

    assert (plan.minutes, plan.kills) == (30, 200)
    assert all(map(plan.has, [*KNOWN, "F25", "control"]))


def test_variables_choose_faults_and_lengths() -> None:
    variables = {"CHAOS_SEED": "7", "CHAOS_MINUTES": "0.5", "CHAOS_KILLS": "9"}
    plan = Plan.read({**variables, "CHAOS_ONLY": "F2,control"}, KNOWN)

    assert plan == Plan(7, 0.5, 9, frozenset({"F2", "control"}))
    assert not plan.has("F1")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CHAOS_ONLY", "F2,F99", "F1, F2, F10, F25, control"),
        ("CHAOS_SEED", "one", "CHAOS_SEED=one"),
        ("CHAOS_MINUTES", "-1", "not negative"),
        ("CHAOS_KILLS", "nan", "CHAOS_KILLS=nan"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, value: str, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        Plan.read({name: value}, KNOWN)


def test_a_round_has_the_same_seed_whatever_else_is_run() -> None:
    some, everything = Plan(7, only=frozenset({"F2"})), Plan(7)

    assert some.seed_of("a fault", 3) == everything.seed_of("a fault", 3)
    assert some.seed_of("a fault", 3) != some.seed_of("a fault", 4)
