"""Log lines of a worker: for people on a terminal, JSON elsewhere."""

import logging
import sys
from dataclasses import dataclass

import structlog
from structlog.typing import EventDict, Processor

from stream_app.settings import Settings

AGAIN_S = 60.0
"""A library that warns of the same again is passed on so often."""
_OF_NO_USE = ("mode.timers",)
"""Faust's timers that come late; /healthz and the lag tell of a worker that gets nothing done."""
_SPEAKERS = {"aiokafka": "the Kafka client", "asyncio": "Python"}
"""Whose lines these are, by the first part of the logger's name; all others are Faust's."""


@dataclass
class _Kind:
    told_at: float
    left_out: int = 0


class Libraries(logging.Filter):
    """Passes on what libraries warn of, each kind of warning once a minute at most.

    A line of ours is a dictionary of structlog, one of a library a text and its arguments: lines
    of one kind have one text.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, dict):
            return True
        if record.levelno < logging.WARNING or record.name in _OF_NO_USE:
            return False
        name, now = (record.name, str(record.msg)), record.created
        kind = self._kinds.get(name)
        if kind and now - kind.told_at < AGAIN_S:
            kind.left_out += 1
            return False
        record.left_out = kind.left_out if kind else 0
        self._kinds = {n: k for n, k in self._kinds.items() if now - k.told_at < 2 * AGAIN_S}
        self._kinds[name] = _Kind(now)
        return True


def configure_logging(settings: Settings) -> None:
    """Send our own lines and the libraries' warnings to stderr in one form."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, _passed_on],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *_renderer(settings.log_format),
        ],
    )
    _send_to_stderr(formatter, settings.log_level.upper())


def _passed_on(_logger: object, _method: str, event: EventDict) -> EventDict:
    """A library's line as one of ours: who says what, and how often it was left out before."""
    record: logging.LogRecord = event["_record"]
    speaker = _SPEAKERS.get(record.name.partition(".")[0], "Faust")
    told = {"event": f"{speaker} reports", "what": event["event"]}
    left_out = getattr(record, "left_out", 0)
    return {**event, **told, **({"left_out": left_out} if left_out else {})}


def _renderer(form: str) -> list[Processor]:
    if form == "json" or (form == "auto" and not sys.stderr.isatty()):
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # A rich traceback would show local variables, and with them secrets.
    return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]


def _send_to_stderr(formatter: logging.Formatter, level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(Libraries())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # The command line silences it, for commands that end with one sentence of our own.
    logging.getLogger("aiokafka").setLevel(logging.NOTSET)
