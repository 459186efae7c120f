"""What could not be used of an export, in a few sentences."""

from collections.abc import Mapping

from replay.issues import Issues, Tally
from stream_app.process import ProcessResult

COLUMNS_SHOWN = 3


def remarks(issues: Issues, result: ProcessResult) -> list[str]:
    """Say what was left out in reading and in the pipeline, with the first places."""
    return [
        *(f"{count:,} messages refused: {why}" for why, count in result.refusals.items()),
        *_too_late(result.too_late),
        *(_counted(f"rows left out, {why}", each) for why, each in issues.refused.items()),
        *_texts(issues),
        *_empty(issues),
        *_back_steps(issues.back_steps),
        *issues.notes,
    ]


def too_late(reasons: Mapping[str, int]) -> list[str]:
    """Say how many samples of a stream came too late, and why they were not folded."""
    if not reasons:
        return []
    shown = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
    many = sum(reasons.values())
    return [f"{many:,} samples came too late ({shown}): see docs/runbooks/late-data.md"]


def _too_late(count: int) -> list[str]:
    return [f"{count:,} samples came too late: see energy.lateness"] if count else []


def _texts(issues: Issues) -> list[str]:
    columns = list(issues.text_cells.items())
    found = [_counted(f"cells of text in {name!r}", each) for name, each in columns[:COLUMNS_SHOWN]]
    rest = columns[COLUMNS_SHOWN:]
    if rest:
        cells = sum(each.count for _, each in rest)
        found.append(f"{cells:,} cells of text in {len(rest)} more columns")
    return found


def _empty(issues: Issues) -> list[str]:
    cells, columns = issues.empty_cells.total(), len(issues.empty_cells)
    return [f"{cells:,} empty cells in {columns} columns"] if cells else []


def _back_steps(tally: Tally) -> list[str]:
    return [_counted("rows step back in time", tally)] if tally.count else []


def _counted(what: str, tally: Tally) -> str:
    return f"{tally.count:,} {what} ({'; '.join(tally.places)})"
