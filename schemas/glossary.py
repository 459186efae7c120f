"""``nomenclature.md`` as data."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

NOMENCLATURE = Path(__file__).parent / "nomenclature.md"
COLUMNS = ["name", "meaning", "unit", "range", "follows"]


@dataclass(frozen=True)
class Term:
    """One line of the glossary; ``section`` is the heading that it stands under."""

    section: str
    name: str
    meaning: str
    unit: str
    range: str
    follows: str


@cache
def terms() -> tuple[Term, ...]:
    """Read every line of every table, in order.

    Raises
    ------
    ValueError
        A line has not five cells.
    """
    return tuple(_terms(NOMENCLATURE.read_text(encoding="utf-8")))


@cache
def fields() -> dict[str, Term]:
    """Find terms by name; where sections share a name, the first."""
    found: dict[str, Term] = {}
    for term in terms():
        found.setdefault(term.name, term)
    return found


def field(record: str, name: str) -> Term:
    """Give the term of a record's field: ``Record.field`` if the glossary has it, else ``field``.

    Raises
    ------
    KeyError
        The glossary has neither.
    """
    return fields().get(f"{record}.{name}") or fields()[name]


def _terms(text: str) -> Iterator[Term]:
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) != len(COLUMNS):
                raise ValueError(f"nomenclature.md line {number}: {len(cells)} cells, not 5")
            if cells != COLUMNS and not cells[0].startswith("---"):
                yield Term(section, cells[0].strip("`"), *cells[1:])
