"""Windows of one resolution: when they close, what a revision is."""

import numpy as np

from stream_app.core.windows import Run, WindowState, accumulate, preview

COLUMNS = slice(0, 2)


def add(state: WindowState, edges: list[int], *samples: tuple[int, int]) -> Run:
    return accumulate(state, np.array(edges), [contribution(*samples)])


def look(state: WindowState, edges: list[int], *samples: tuple[int, int]) -> Run:
    return preview(state, np.array(edges), [contribution(*samples)])


def contribution(*samples: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, slice]:
    times = np.array([time for time, _ in samples], dtype=np.int64)
    values = np.array([[1] * len(samples), [value for _, value in samples]], dtype=np.int64)
    return times, values, COLUMNS


def rows(run: Run) -> list[tuple[int, int, int, list[int]]]:
    columns = (run.starts, run.ends, run.revisions)
    return list(zip(*(each.tolist() for each in columns), run.sums.T.tolist(), strict=True))


def test_the_window_of_the_newest_time_stays_open() -> None:
    state = WindowState()

    run = add(state, [0, 10, 20, 30], (1, 5), (9, 6), (25, 7))

    assert rows(run) == [(0, 10, 1, [2, 11]), (10, 20, 1, [0, 0])]
    assert state.open is not None
    assert (state.open.start, state.open.sums) == (20, [1, 7])


def test_an_open_window_goes_on_in_the_next_call() -> None:
    state = WindowState()
    add(state, [0, 10], (1, 5))

    run = add(state, [0, 10, 20], (10, 3))

    assert rows(run) == [(0, 10, 1, [1, 5])]


def test_a_sample_on_an_edge_belongs_to_the_window_that_begins_there() -> None:
    assert rows(add(WindowState(), [0, 10, 20, 30], (10, 4), (20, 1)))[0] == (0, 10, 1, [0, 0])


def test_a_preview_shows_the_open_window_and_leaves_it_open() -> None:
    state = WindowState()
    add(state, [0, 10], (1, 5))

    shown = look(state, [0, 10, 20], (12, 2))

    assert rows(shown) == [(0, 10, 1, [1, 5]), (10, 20, 1, [1, 2])]
    assert state.open is not None
    assert state.open.start == 0


def test_a_window_that_changed_after_its_preview_is_revised() -> None:
    state = WindowState()
    add(state, [0, 10], (1, 5))
    look(state, [0, 10])

    run = add(state, [0, 10, 20], (2, 1), (11, 0))

    assert rows(run) == [(0, 10, 2, [2, 6])]


def test_a_window_that_closes_as_it_was_shown_is_not_said_twice() -> None:
    state = WindowState()
    add(state, [0, 10], (1, 5))
    look(state, [0, 10])

    assert rows(add(state, [0, 10, 20], (11, 0))) == []
    assert rows(look(state, [10, 20])) == [(10, 20, 1, [1, 0])]


def test_more_of_a_shown_window_that_does_not_close_it_gives_nothing() -> None:
    state = WindowState()
    add(state, [0, 10], (1, 5))
    look(state, [0, 10])

    assert rows(add(state, [0, 10], (2, 1))) == []


def test_what_was_published_is_forgotten_once_its_window_cannot_change() -> None:
    state = WindowState()
    add(state, [0, 10], (1, 5))
    look(state, [0, 10])
    add(state, [0, 10, 20], (11, 0))

    assert state.published == {}
