"""YAML whose double-quoted regexes and Windows paths may hold backslashes that YAML forbids."""

import re
from pathlib import Path

import yaml

_BAD_ESCAPES = ("found unknown escape character", "expected escape sequence")


def load(text: str) -> object:
    """Read YAML; a double-quoted scalar with an escape that YAML forbids is taken literally.

    Text that is valid YAML keeps exactly its meaning.

    Raises
    ------
    yaml.YAMLError
        The text is no YAML for another reason.
    """
    while True:
        try:
            return yaml.safe_load(text)
        except yaml.scanner.ScannerError as fault:
            start = fault.context_mark
            if start is None or not (fault.problem or "").startswith(_BAD_ESCAPES):
                raise
            text = _literal(text, start.index)


def load_file(path: Path) -> object:
    """Read a file as UTF-8, with or without a byte order mark."""
    return load(path.read_text(encoding="utf-8-sig"))


def _literal(text: str, start: int) -> str:
    """Double the backslashes of the scalar that opens at ``start``, save those before a quote."""
    scalar = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL).match(text, start)
    assert scalar is not None
    literal = re.sub(r"\\(.)", _literal_pair, scalar.group(), flags=re.DOTALL)
    return text[:start] + literal + text[scalar.end() :]


def _literal_pair(pair: re.Match[str]) -> str:
    return pair[0] if pair[1] == '"' else pair[0].replace("\\", "\\\\")
