"""What a correction has changed: old and new energy of each enclosure and day."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
from rich.table import Table
from rich.text import Text

from schemas.results import DailyRecord
from schemas.telemetry import (
    CorrectionBeginRecord,
    CorrectionEndRecord,
    PowerRecord,
    TelemetryRecord,
)
from stream_app.core.energy import kwh
from stream_app.reading import Offsets, Topics

_telemetry: msgspec.json.Decoder[TelemetryRecord] = msgspec.json.Decoder(TelemetryRecord)


@dataclass(frozen=True)
class Change:
    """A day of an enclosure that was corrected; ``before`` is None where it was not counted."""

    before: DailyRecord | None
    after: DailyRecord

    def moved_w_ms(self) -> tuple[int, int]:
        """Charged and discharged energy, new less old [W ms]."""
        old = (self.before.charged_w_ms, self.before.discharged_w_ms) if self.before else (0, 0)
        return self.after.charged_w_ms - old[0], self.after.discharged_w_ms - old[1]


def changes(before: Iterable[DailyRecord], after: Iterable[DailyRecord]) -> list[Change]:
    """Days whose energy a correction has changed since, in order.

    Those that came anew because time closed them are none.
    """
    known = {(day.date, day.enclosure): day for day in before}
    corrected = (day for day in after if day.reason == "correction")
    found = ((known.get((day.date, day.enclosure)), day) for day in corrected)
    made = [Change(old, new) for old, new in found if old is None or old.revision < new.revision]
    return [each for each in made if each.before is None or any(each.moved_w_ms())]


def table(found: Sequence[Change]) -> Table:
    """Old and new energy and the difference [kWh] of each enclosure and day."""
    shown = Table(
        title="corrected days, kWh before and after",
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for name in ("date", "enclosure"):
        shown.add_column(name, no_wrap=True)
    for name in ("charged", "now", "change", "discharged", "now", "change"):
        shown.add_column(name, justify="right", no_wrap=True)
    for each in found:
        shown.add_row(*map(Text, _row(each)))
    return shown


async def refusals(topics: Topics, starts: Offsets, ends: Offsets, correction: str) -> list[str]:
    """The first reason for which each block has refused records of a correction."""
    found: dict[str, str] = {}
    async for records in topics.between(starts, ends):
        for record in records:
            if _correction(record.value) == correction:
                key = (record.key or b"").decode(errors="replace")
                reason = dict(record.headers)["bess_reason"].decode(errors="replace")
                found.setdefault(key, reason)
    return [f"{key}: {reason}" for key, reason in sorted(found.items())]


def _row(each: Change) -> Iterator[str]:
    yield from (each.after.date, each.after.enclosure)
    charged, discharged = each.moved_w_ms()
    moves = (each.after.charged_w_ms, charged), (each.after.discharged_w_ms, discharged)
    for after, moved in moves:
        yield f"{kwh(after - moved):,.1f}" if each.before else "-"
        yield f"{kwh(after):,.1f}"
        yield f"{kwh(moved):+,.1f}"


def _correction(value: bytes | None) -> str | None:
    try:
        record = _telemetry.decode(value or b"")
    except msgspec.MsgspecError:
        return None
    match record:
        case CorrectionBeginRecord(id=name) | CorrectionEndRecord(id=name):
            return name
        case PowerRecord(correction=name):
            return name
    return None
