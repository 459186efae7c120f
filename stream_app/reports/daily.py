"""The daily energy of each enclosure, as a table that any tool reads.

Energy stays in whole W ms until it is printed, so no figure depends on the order of a sum.
"""

import csv
from collections.abc import Iterable, Sequence

from schemas.results import DailyRecord
from stream_app.core.order import natural_key

W_MS_PER_MICRO_KWH = 3_600

COLUMNS = (
    "date",
    "enclosure_id",
    "charged_kwh",
    "discharged_kwh",
    "coverage",
    "net_kwh",
    "error_bound_kwh",
    "samples",
    "revision",
    "final",
)


def newest(records: Iterable[DailyRecord]) -> list[DailyRecord]:
    """Keep the newest revision of each enclosure and day, sorted by day, then enclosure.

    Of equal revisions the one that came last holds, as in the compacted topic.
    """
    kept: dict[tuple[str, str], DailyRecord] = {}
    for record in records:
        key = record.date, record.enclosure
        known = kept.get(key)
        if known is None or record.revision >= known.revision:
            kept[key] = record
    return sorted(kept.values(), key=lambda each: (each.date, natural_key(each.enclosure)))


def daily_csv(days: Iterable[DailyRecord]) -> str:
    """Write the table ``daily_energy_by_enclosure.csv``; kWh with 6 decimals."""
    return table(COLUMNS, map(_row, days))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write rows as CSV with a header and Unix line ends."""
    return "".join(map(csv_line, (columns, *rows)))


def csv_line(cells: Sequence[object]) -> str:
    """Write one line of CSV, its end included."""
    line: str = _writer.writerow(cells)
    return line


class _Line:
    """What a CSV writer writes comes back from it, instead of going to a file."""

    @staticmethod
    def write(text: str) -> str:
        return text


_writer = csv.writer(_Line(), lineterminator="\n")


def kwh_text(energy_w_ms: int) -> str:
    """Energy in kWh with 6 decimals from whole W ms, halves to even; no float on the way."""
    micro = _half_even(abs(energy_w_ms), W_MS_PER_MICRO_KWH)
    whole, rest = divmod(micro, 1_000_000)
    return f"{'-' if energy_w_ms < 0 and micro else ''}{whole}.{rest:06d}"


def _half_even(number: int, divisor: int) -> int:
    quotient, rest = divmod(number, divisor)
    return quotient + (2 * rest + (quotient & 1) > divisor)


def _row(day: DailyRecord) -> tuple[object, ...]:
    return (
        day.date,
        day.enclosure,
        kwh_text(day.charged_w_ms),
        kwh_text(day.discharged_w_ms),
        f"{day.coverage:.6f}",
        kwh_text(day.net_w_ms),
        kwh_text(day.error_bound_w_ms),
        day.samples,
        day.revision,
        str(day.final).lower(),
    )
