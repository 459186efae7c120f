"""Daily records made by hand."""

from datetime import date, timedelta
from typing import Any

import msgspec

from schemas.results import DailyRecord, Quality

FIRST = DailyRecord(
    v=1,
    id="any",
    site="Cotswold",
    block="1APCS1",
    input="1",
    enclosure="1A1BAT1",
    date="2025-04-01",
    start="2025-03-31T13:00:00.000Z",
    end="2025-04-01T13:00:00.000Z",
    charged_kwh=0.0,
    discharged_kwh=0.0,
    net_kwh=0.0,
    error_bound_kwh=0.0,
    charged_w_ms=0,
    discharged_w_ms=0,
    net_w_ms=0,
    error_bound_w_ms=0,
    known_s=86_400.0,
    coverage=1.0,
    samples=96,
    quality=Quality(0, 0, 0, 0),
    revision=1,
    final=True,
)


def make_day(enclosure: str = "1A1BAT1", day: str = "2025-04-01", **fields: Any) -> DailyRecord:
    """A daily record; energy of the float fields is left out, as no report reads it."""
    start = date.fromisoformat(day) - timedelta(days=1)
    into, out = fields.get("charged_w_ms", 0), fields.get("discharged_w_ms", 0)
    values = {
        "enclosure": enclosure,
        "date": day,
        "start": f"{start}T13:00:00.000Z",
        "end": f"{day}T13:00:00.000Z",
        "net_w_ms": out - into,
        "known_s": 86_400.0 * fields.get("coverage", 1.0),
    }
    return msgspec.structs.replace(FIRST, **(values | fields))
