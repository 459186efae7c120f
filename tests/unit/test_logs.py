"""A worker's log has our sentences; what libraries warn of is told once a minute, as theirs."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
import structlog

from stream_app.logs import AGAIN_S, Libraries, configure_logging
from stream_app.settings import Settings

Told = Callable[[], list[dict[str, str]]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """The log as a worker has it that writes into a file."""
    written, root = StringIO(), logging.getLogger()
    before, level = root.handlers[:], root.level
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    monkeypatch.setattr(sys, "stderr", written)
    configure_logging(Settings(log_format="json"))
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_lines_of_our_own_are_told_each_time(told: Told) -> None:
    for _ in range(2):
        structlog.get_logger("stream_app.worker").info("ready", generation="1")

    assert [(line["event"], line["generation"]) for line in told()] == [("ready", "1")] * 2


@pytest.mark.parametrize(
    ("logger", "event"),
    [
        ("aiokafka.consumer.fetcher", "the Kafka client reports"),
        ("faust.app.base", "Faust reports"),
        ("stream_app.engine.table", "Faust reports"),
        ("asyncio", "Python reports"),
    ],
)
def test_what_a_library_warns_of_is_told_as_what_it_reports(
    logger: str, event: str, told: Told
) -> None:
    logging.getLogger(logger).warning("%s will not do", "this")

    (line,) = told()
    assert (line["event"], line["what"], line["level"]) == (event, "this will not do", "warning")


def test_what_a_library_does_all_day_is_not_told(told: Told) -> None:
    logging.getLogger("stream_app.engine.table").info("[^---Table: energy]: Starting...")
    logging.getLogger("mode.timers").warning("Timer %s is overlapping", "_look_after.<locals>")

    assert told() == []


def test_where_an_error_came_from_is_told(told: Told) -> None:
    try:
        int("of no use")
    except ValueError:
        structlog.get_logger("stream_app").exception("the fold failed")
        logging.getLogger("aiokafka").exception("Unexpected error in fetcher routine")

    traces = [line["exception"] for line in told()]
    assert len(traces) == 2
    assert all("test_logs.py" in trace and "ValueError" in trace for trace in traces)


def test_the_same_warning_is_passed_on_once_a_minute_with_how_often_it_was_not() -> None:
    libraries = Libraries()
    passed = []
    for second in range(0, 2 * int(AGAIN_S) + 1, 10):
        again, other = (error("Unable connect to node %s", second) for _ in range(2))
        other.msg = f"another {second}"
        assert libraries.filter(other)
        if libraries.filter(again):
            passed.append((second, again.__dict__["left_out"]))

    assert passed == [(0, 0), (60, 5), (120, 5)]


def error(text: str, second: int) -> logging.LogRecord:
    record = logging.LogRecord("aiokafka", logging.ERROR, "client.py", 1, text, (second,), None)
    record.created = second
    return record
