"""What the doctor says: a finding, and how grave it is."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes
    ----------
    subject
        What was looked at, one or two words.
    what, why, remedy
        What was found, why it matters, and the command or setting that mends it; the last two are
        empty when all is well.
    """

    level: Level
    subject: str
    what: str
    why: str = ""
    remedy: str = ""


def ok(subject: str, what: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, subject, what)


def warning(subject: str, what: str, why: str, remedy: str) -> Finding:
    """Works, but not as safely or as well as it should."""
    return Finding(Level.WARNING, subject, what, why, remedy)


def fault(subject: str, what: str, why: str, remedy: str) -> Finding:
    """Does not work, or data are or will be lost."""
    return Finding(Level.FAULT, subject, what, why, remedy)


def unless_found(found: Iterable[Finding], subject: str, what: str) -> list[Finding]:
    """The findings, or that all is well if there are none."""
    return list(found) or [ok(subject, what)]
