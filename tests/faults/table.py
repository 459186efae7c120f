"""``out/chaos.md``: what a pass has shown."""

import os
import platform
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.checker import Violation
from tests.faults.failpoints import STEPS
from tests.faults.nemesis import Nemesis
from tests.faults.plan import Plan, by_number
from tests.faults.rounds import Outcome

EACH_STEP = 20
"""Kill points of one step that a full pass must have seen fire."""
MB = 1 << 20


@dataclass
class Pass:
    """What a pass has come to so far.

    Attributes
    ----------
    control
        What the checker says of stock Faust; None while it has not run.
    absent
        Faults that could not be done here, each with the reason.
    """

    plan: Plan
    outcomes: list[Outcome] = field(default_factory=list)
    control: list[Violation] | None = None
    nemesis: Nemesis | None = None
    seconds: float = 0.0
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def kills(self) -> Counter[str]:
        """Workers killed at a step, by step, the nemesis's too."""
        return sum((each.kill_points for each in self._all), Counter[str]())

    @property
    def violations(self) -> list[tuple[Outcome, Violation]]:
        """All of them, each with its round."""
        return [(each, violation) for each in self._all for violation in each.violations]

    @property
    def blind(self) -> bool:
        """Whether the checker has found nothing wrong with stock Faust."""
        return self.control is not None and not sees(self.control)

    @property
    def _all(self) -> list[Outcome]:
        return [*self.outcomes, *([self.nemesis.outcome] if self.nemesis else [])]


def sees(violations: Iterable[Violation]) -> bool:
    """Whether the checker has seen records doubled, lost or false: not merely a late one."""
    return any(each.invariant in {"I1", "I2", "I3"} for each in violations)


def short_of(kills: Mapping[str, int], total: int) -> list[str]:
    """What a full pass still lacks in kill points, in words."""
    words = [
        f"{step}: {kills.get(step, 0)} of {EACH_STEP}"
        for step in STEPS
        if kills.get(step, 0) < EACH_STEP
    ]
    missing = sum(kills.values()) < total
    return [*words, *([f"in all: {sum(kills.values())} of {total}"] if missing else [])]


def render(found: Pass) -> str:
    """All of it in Markdown."""
    parts = [_head(found), _faults(found.outcomes), _kills(found.kills)]
    parts += [_absent(found), _control(found), _nemesis(found.nemesis)]
    parts += [_violations(found.violations)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _head(found: Pass) -> str:
    count = len(found.violations)
    return (
        f"# Fault matrix: {count} violations\n\n"
        f"`CHAOS_SEED={found.plan.seed}`, {found.seconds / 60:.0f} min, {os.cpu_count()} cores "
        f"for broker, Redis, workers and rig together, Python {platform.python_version()}."
    )


def _faults(outcomes: Sequence[Outcome]) -> str:
    rounds: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for each in outcomes:
        rounds[each.fault.number, each.fault.title].append(each)
    rows = [
        (
            *name,
            len(group),
            sum(each.records for each in group),
            sum(len(each.violations) for each in group),
            f"{max(each.pause_s for each in group):.1f}",
            f"{max(each.slowness for each in group):.1f}",
        )
        for name, group in rounds.items()
    ]
    return _table(
        ("", "fault", "rounds", "records", "violations", "longest pause [s]", "slowness"), rows
    )


def _absent(found: Pass) -> str:
    return "\n".join(f"- {name}: not done, {reason}." for name, reason in found.absent.items())


def _kills(kills: Counter[str]) -> str:
    if not kills:
        return ""
    rows: list[tuple[object, ...]] = [(step, kills[step]) for step in STEPS]
    return _table(("killed before or after", "times"), [*rows, ("all", kills.total())])


def _control(found: Pass) -> str:
    if found.control is None:
        return ""
    named = Counter(each.invariant for each in found.control)
    told = ", ".join(f"{name} ({count})" for name, count in sorted(named.items())) or "nothing"
    verdict = "**the checker is blind**" if found.blind else "as it must"
    return f"The same checker on stock Faust under kill -9 reports {told}: {verdict}."


def _nemesis(found: Nemesis | None) -> str:
    if found is None:
        return ""
    outcome = found.outcome
    growth = ", ".join(f"{each / MB:+.1f}" for each in found.growth) or "no worker lived long"
    names = sorted(found.pauses, key=lambda name: by_number(name.split()[0]))
    rows = [(name, found.counts[name], f"{found.pauses[name]:.1f}") for name in names]
    return (
        f"Nemesis: {sum(found.counts.values())} faults at random in {outcome.seconds / 60:.0f} min "
        f"on {outcome.records} records, {len(outcome.violations)} violations; memory of workers "
        f"that lived for minutes [MB/h]: {growth}.\n\n"
        + _table(("fault in the nemesis", "times", "longest pause [s]"), rows)
    )


def _violations(violations: Sequence[tuple[Outcome, Violation]]) -> str:
    return "\n".join(
        f"- {each.fault.number} {each.fault.title}, seed {each.seed}: {violation}"
        for each, violation in violations
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
