"""When a pass is good, and how its table reads."""

from collections import Counter

import pytest

from tests.faults.__main__ import complaints
from tests.faults.checker import Violation
from tests.faults.failpoints import STEPS, FailPoint
from tests.faults.fleet import Life
from tests.faults.kinds import FAULTS
from tests.faults.nemesis import SOAK, Nemesis
from tests.faults.plan import Plan
from tests.faults.rounds import Outcome
from tests.faults.table import Pass, render, short_of

KILLED = FAULTS["a worker is killed at each step"]
LOST = Violation("I1", "rig/INV0/0E1 has 9 samples, not 10")


def killed_at(step: str, *, fired: bool = True) -> Life:
    return Life(0, -9, 2.0, FailPoint(step, "before"), fired)


def outcome(*violations: Violation, lives: list[Life] | None = None) -> Outcome:
    return Outcome(KILLED, 5, list(violations), pause_s=3.25, records=800, lives=lives or [])


def good() -> Pass:
    lives = [killed_at(step) for step in STEPS for _ in range(20)]
    return Pass(Plan(1), [outcome(lives=lives)], control=[LOST])


def test_a_pass_without_violations_and_with_all_kills_is_good() -> None:
    assert complaints(good()) == []


def test_a_violation_in_a_round_or_in_the_nemesis_is_told() -> None:
    rounds, soaked = good(), good()
    rounds.outcomes.append(outcome(LOST))
    soaked.nemesis = Nemesis(Outcome(SOAK, 5, [LOST]))

    assert complaints(rounds) == complaints(soaked) == ["1 violations"]
    assert f"- F2 {KILLED.title}, seed 5: {LOST}" in render(rounds)


@pytest.mark.parametrize("said", [[], [Violation("I9", "a record was late")]])
def test_a_checker_that_finds_nothing_wrong_with_stock_faust_is_blind(
    said: list[Violation],
) -> None:
    found = good()
    found.control = said

    assert any("blind" in words for words in complaints(found))
    assert "blind" in render(found)


def test_kill_points_that_did_not_fire_do_not_count() -> None:
    lives = [killed_at("send"), killed_at("send", fired=False), Life(0, -9, 1.0, None, fired=False)]

    assert Pass(Plan(1), [outcome(lives=lives)]).kills == Counter(send=1)


def test_each_step_and_the_whole_need_their_kills() -> None:
    enough = dict.fromkeys(STEPS, 20)

    assert short_of(enough, 220) == []
    assert short_of(enough, 221) == ["in all: 220 of 221"]
    assert short_of({**enough, "swap": 19}, 200) == ["swap: 19 of 20"]


def test_a_fault_that_cannot_be_done_here_is_named_with_the_reason() -> None:
    found = good()
    found.absent["F23 an upgrade"] = "no older build"

    assert "- F23 an upgrade: not done, no older build." in render(found)


def test_the_table_has_a_row_for_each_fault_and_each_step() -> None:
    text = render(good())

    assert "| F2 | a worker is killed at each step | 1 | 800 | 0 | 3.2 | 1.0 |" in text
    assert all(f"| {step} | 20 |" in text for step in STEPS)
    assert "reports I1 (1): as it must" in text
