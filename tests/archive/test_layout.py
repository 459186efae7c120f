"""Names of files alone say how far an archive is, wherever the writer was killed."""

from hypothesis import given
from hypothesis import strategies as st

from stream_app.archive.layout import FileName, Place, Span, folder, place_of, standing

SOURCES = (("cells.5min.v1", 0), ("cells.5min.v1", 1), ("alarm.events.v1", 0))

steps = st.lists(
    st.tuples(st.sampled_from(SOURCES), st.integers(1, 50), st.integers(1, 4)), max_size=12
)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def written(steps: list[tuple[tuple[str, int], int, int]]) -> list[FileName]:
    """Files in the order in which a writer makes them: (source, offsets, files) of each span."""
    at = dict.fromkeys(SOURCES, 0)
    found = []
    for source, length, count in steps:
        span = Span(*source, at[source], at[source] + length)
        at[source] = span.next
        found += [FileName(span, number, count) for number in range(1, count + 1)]
    return found


@given(steps, st.data())
def test_a_killed_writer_goes_on_after_the_last_whole_span(
    steps: list[tuple[tuple[str, int], int, int]], data: st.DataObject
) -> None:
    made = written(steps)
    kept = made[: data.draw(st.integers(0, len(made)))]
    whole = {name.span for name in kept if name.number == name.count}
    expected = {
        source: max((span.next for span in whole if span.source == source), default=0)
        for source in SOURCES
    }

    stands = standing(kept)

    assert {s: stands.positions.get(s, 0) for s in SOURCES} == expected
    assert stands.torn == {name.span for name in kept} - whole
    assert standing(name for name in kept if name.span in whole).positions == {
        source: offset for source, offset in expected.items() if offset
    }


@given(steps)
def test_merged_files_say_the_same_as_those_that_they_are_made_of(
    steps: list[tuple[tuple[str, int], int, int]],
) -> None:
    made = written(steps)
    before = standing(made)
    for source in SOURCES:
        spans = [name.span for name in made if name.span.source == source]
        if spans:
            last = max(spans)
            merged = FileName(Span(*source, 0, last.next))
            # Those of one folder are gone; others of the same spans are still there.
            rest = [name for name in made if name.span.source != source or name.number > 1]
            assert standing([*rest, merged]) == before


@given(st.sampled_from(SOURCES), st.integers(0, 10**13), st.integers(1, 10**9), st.integers(0, 99))
def test_a_name_is_read_as_it_was_written(
    source: tuple[str, int], first: int, length: int, count: int
) -> None:
    name = FileName(Span(*source, first, first + length), count and 1, count)

    assert FileName.parse(str(name)) == name
    assert FileName.parse(f".{name}.tmp") is None


@given(st.lists(st.tuples(st.sampled_from(["kind", "site", "date"]), texts), min_size=1))
def test_folders_hold_any_name(place: list[tuple[str, str]]) -> None:
    path = folder(tuple(place))

    assert place_of(path) == tuple(place)
    assert path.count("/") == len(place) - 1
    assert "\0" not in path


def test_folders_are_in_the_style_of_hive() -> None:
    place: Place = (("kind", "cells_1d"), ("site", "Süd/1"), ("date", "2025-10-26"))

    assert folder(place) == "kind=cells_1d/site=S%C3%BCd%2F1/date=2025-10-26"
