"""Classes of the reasons for which records are refused, so that a label stays bounded."""

import re

OTHER = "other"
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("bad_model", r"\b[Tt]he model\b|^what is usual|of the model\b"),
    ("no_topology", r"no (?:topology|battery|meter) is known"),
    ("unknown_input", r"the topology has no DC input |the battery has no pack "),
    ("no_key", r"the record has no key"),
    ("bad_correction", r"correction"),
    ("too_large", r"at most \d+"),
    ("wrong_version", r"this program reads version"),
    ("bad_name", r"cannot be printed"),
    ("wrong_key", r"came under the key"),
    ("out_of_range", r"lies outside 1971-2109|is beyond |out of range|days ahead of all"),
    (
        "bad_shape",
        (
            r"t is empty|names no DC input|(?:values|rows) for \d+ times|has neither voltage_v|"
            r"cells: not equal|cells, not \d+|it must have 1 to \d+"
        ),
    ),
    (
        "bad_topology",
        (
            r"hangs on more|without a slash|rating_w|the topology (?:changes|moves)|"
            r"^the shares of|has no enclosure|has no DC input$|time zone|ZoneInfo|in rules;|"
            r"above 0|must be [\d.]+ s to 7 days|preset of limits|commissioned is|"
            r"must have no slash|"
            r"^the battery (?:changes|would)|are counted: use another|cannot move to"
        ),
    ),
    (
        "not_a_record",
        r"JSON|Expected|Object |Invalid|Input data|codec can't decode|no value|nested",
    ),
)
REASONS: tuple[str, ...] = (*(name for name, _ in _PATTERNS), OTHER)


def reason_class(reason: str) -> str:
    """Classify a dead letter's reason; a class is its own class."""
    if reason in REASONS:
        return reason
    return next((name for name, pattern in _PATTERNS if re.search(pattern, reason)), OTHER)
