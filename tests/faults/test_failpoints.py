"""The failpoints hang on names of the engine: a renamed step must be noticed here."""

import inspect

import pytest

from tests.faults.failpoints import COMMIT, SIDES, STEPS, FailPoint, find


@pytest.mark.parametrize("step", [*STEPS.values(), COMMIT], ids=[*STEPS, "whole commit"])
def test_the_engine_has_each_step(step: object) -> None:
    owner, name = find(step)  # type: ignore[arg-type]

    assert callable(inspect.getattr_static(owner, name))


@pytest.mark.parametrize(
    "text", ["send.before:3:kill", "commit.after:1:stop", "swap.after:2:raise"]
)
def test_a_failpoint_reads_as_it_is_written(text: str) -> None:
    assert str(FailPoint.parse(text)) == text


@pytest.mark.parametrize("text", ["sending.before:1:kill", "send.within:1:kill", "send.after:1:x"])
def test_what_is_no_failpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a failpoint; steps are take, .*rebuild"):
        FailPoint.parse(text)


def test_a_full_pass_comes_to_each_side_of_each_step() -> None:
    assert len(STEPS) * len(SIDES) == 22
