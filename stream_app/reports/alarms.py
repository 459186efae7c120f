"""Alarms counted by rule, from raises and clears in event time."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.results import AlarmRecord


@dataclass
class AlarmCount:
    """Alarms of one rule: raises, those that still stand, enclosures concerned, span [ISO 8601]."""

    rule: str
    raised: int = 0
    standing: int = 0
    enclosures: set[str] = field(default_factory=set)
    first: str = ""
    last: str = ""

    def add(self, alarm: AlarmRecord) -> None:
        """Count a raise or a clear."""
        is_raise = alarm.state == "raised"
        self.raised += is_raise
        self.standing += 1 if is_raise else -1
        self.enclosures.update(alarm.enclosures)
        self.first = min(self.first or alarm.time, alarm.time)
        self.last = max(self.last, alarm.time)


@dataclass
class AlarmTally:
    """Alarms by rule; a record that is delivered twice counts once."""

    counts: dict[str, AlarmCount] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def add_all(self, alarms: Iterable[AlarmRecord]) -> None:
        for alarm in alarms:
            if alarm.id not in self._seen:
                self._seen.add(alarm.id)
                self.counts.setdefault(alarm.rule, AlarmCount(alarm.rule)).add(alarm)

    def rows(self) -> list[AlarmCount]:
        """List the counts in alphabetical order of the rules."""
        return [self.counts[rule] for rule in sorted(self.counts)]
