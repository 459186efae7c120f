"""What a command that runs for long tells where nobody watches."""

import pytest

from stream_app.reports.progress import Lines


def test_off_a_terminal_a_line_each_ten_seconds_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = [0.0]
    shown = Lines(lambda: clock[0])
    task = shown.add_task("rows", total=4_000, note="")

    for second in range(0, 24, 4):
        clock[0] = second
        shown.update(task, completed=100 * second, note=f"2025-04-{second:02}")

    assert capsys.readouterr().err.splitlines() == [
        "rows: 1,200 of 4,000, 2025-04-12, about 0:00:28 left",
    ]


def test_what_has_no_known_end_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    clock = [0.0]
    shown = Lines(lambda: clock[0])
    task = shown.add_task("reading results", total=None, note="")

    for clock[0] in (5.0, 15.0, 26.0):
        shown.advance(task, 1_000)

    assert capsys.readouterr().err.splitlines() == [
        "reading results: 2,000",
        "reading results: 3,000",
    ]
