"""A pass through the matrix: control, faults in the order of their numbers, nemesis."""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.control import stock_faust
from tests.faults.kinds import FAULTS
from tests.faults.matrix import Fault
from tests.faults.nemesis import nemesis
from tests.faults.plan import CONTROL, SOAK, Plan
from tests.faults.rounds import Outcome, play
from tests.faults.stack import RigStack
from tests.faults.table import Pass, render, short_of

KILLING = "F2"
"""Goes on until each step has had its kills."""
MOST_KILLING = 30
"""Rounds of it at most."""
FIRST_GUESS_S = 45.0


@dataclass
class Campaign:
    """Runs a plan on a stack; writes ``chaos.md`` into ``out`` after each round.

    Logs of a round are kept where it found a violation.
    """

    plan: Plan
    stack: RigStack
    out: Path
    say: Callable[[str], None]
    start: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.found = Pass(self.plan)

    async def run(self) -> Pass:
        """Do all of it."""
        if self.plan.has(CONTROL):
            await self._control()
        self._leave_out()
        for fault, number in self._rounds():
            await self._round(fault, number)
        if self.plan.has(SOAK) and self.plan.minutes:
            await self._nemesis()
        return self.found

    async def _control(self) -> None:
        self.say("control: stock Faust under kill -9")
        seed, folder = self.plan.seed_of(CONTROL, 0), self._folder(CONTROL, 0)
        self.found.control = await stock_faust(self.stack, seed, folder)
        self.say(f"  the checker reports {len(self.found.control)} violations")
        self._write(folder, keep=self.found.blind)

    def _leave_out(self) -> None:
        for each in self._chosen():
            if reason := each.absent():
                self.found.absent[f"{each.number} {each.title}"] = reason
                self.say(f"{each.number} {each.title}: not done, {reason}")

    def _chosen(self) -> list[Fault]:
        chosen = [each for each in FAULTS.values() if self.plan.has(each.number)]
        return [each for each in chosen if f"{each.number} {each.title}" not in self.found.absent]

    def _rounds(self) -> Iterator[tuple[Fault, int]]:
        for fault in self._chosen():
            most = MOST_KILLING if fault.number == KILLING else fault.rounds
            for number in range(most):
                if fault.number == KILLING and not short_of(self.found.kills, self.plan.kills):
                    break
                yield fault, number

    async def _round(self, fault: Fault, number: int) -> None:
        seed = self.plan.seed_of(fault.title, number)
        folder = self._folder(f"{fault.number} {fault.title}", number)
        self.say(f"{fault.number} {fault.title}, round {number + 1}, seed {seed} ({self._eta()})")
        outcome = await play(fault, self.stack, seed, folder)
        self.found.outcomes.append(outcome)
        self.say(f"  {outcome.seconds:.0f} s, pause {outcome.pause_s:.1f} s{self._killed(outcome)}")
        for violation in outcome.violations:
            self.say(f"  VIOLATION {violation} (logs in {folder})")
        self._write(folder, keep=bool(outcome.violations))

    def _killed(self, outcome: Outcome) -> str:
        here, kills = outcome.kill_points.total(), self.found.kills.total()
        return f", {here} kill points, {kills} in all" if here else ""

    def _eta(self) -> str:
        done = self.found.outcomes
        mean_s = sum(each.seconds for each in done) / len(done) if done else FIRST_GUESS_S
        left_s = mean_s * max(0, sum(each.rounds for each in self._chosen()) - len(done))
        left = left_s / 60 + (self.plan.minutes if self.plan.has(SOAK) else 0)
        return f"{(time.monotonic() - self.start) / 60:.0f} min, about {left:.0f} to go"

    async def _nemesis(self) -> None:
        seed, folder = self.plan.seed_of(SOAK, 0), self._folder(SOAK, 0)
        self.say(f"{SOAK} nemesis for {self.plan.minutes:.0f} min, seed {seed}")
        found = await nemesis(self.stack, seed, self.plan.minutes, folder, self.say)
        self.found.nemesis = found
        for violation in found.outcome.violations:
            self.say(f"  VIOLATION {violation} (logs in {folder})")
        self._write(folder, keep=bool(found.outcome.violations))

    def _folder(self, name: str, number: int) -> Path:
        return self.out / "chaos" / f"{re.sub('[^a-zA-Z0-9]+', '-', name)}-{number + 1}"

    def _write(self, folder: Path, *, keep: bool) -> None:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
        self.found.seconds = time.monotonic() - self.start
        (self.out / "chaos.md").write_text(render(self.found), encoding="utf-8")
